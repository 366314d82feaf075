#!/usr/bin/env bash
# Prints the Debian packages that hold the libraries which programs are linked against, one a line.
#
#   scripts/image/runtime-packages.sh FILE...
#
# Their names differ between Debian 12 and 13, so they are looked up where the programs were built.
set -euo pipefail
steps=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$steps/../lib/common.sh"

# Libraries that a file names itself; what those need in turn, apt knows.
needed() {
  objdump -p "$@" | awk '$1 == "NEEDED" { print $2 }' | sort -u
}

# path_of <name> <file...>: where the loader finds it.
path_of() {
  local name=$1
  shift
  ldd "$@" 2>/dev/null | awk -v name="$name" '$1 == name && $2 == "=>" { print $3; exit }'
}

package_of() {
  local path found
  # Where /lib is a link to /usr/lib, dpkg knows some files by the one name and some by the other.
  for path in "$1" "$(realpath "$1")" "/usr$1" "${1#/usr}"; do
    if found=$(dpkg-query --search "$path" 2>/dev/null); then
      printf '%s\n' "${found%%:*}"
      return
    fi
  done
  die "no package has $1"
}

main() {
  local name path
  (($# > 0)) || die "say for which files; --help tells how"
  if [[ $1 == -h || $1 == --help ]]; then
    usage
    return
  fi
  for name in $(needed "$@"); do
    path=$(path_of "$name" "$@")
    # The loader itself has no path of its own, and comes with libc.
    if [[ -n $path ]]; then package_of "$path"; fi
  done | sort -u
}

main "$@"
