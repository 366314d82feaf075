#!/usr/bin/env bash
# Installs Debian packages into an image, and leaves neither lists nor archives behind.
#
#   scripts/image/install-packages.sh [--from FILE]... [set...]
#
#   set          build-quotad, build-module, build-nginx-module, run-quotad or run-nginx
#   --from FILE  the packages that a file names, one a line: what runtime-packages.sh has written
set -euo pipefail
steps=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$steps/../lib/common.sh"
# shellcheck source=scripts/lib/packages.sh
source "$steps/../lib/packages.sh"
# shellcheck source=scripts/image/packages.sh
source "$steps/packages.sh"

export DEBIAN_FRONTEND=noninteractive

# "a|b" -> the first that apt can install. Not `apt-cache show`: it also knows names of old.
choose() {
  local name
  for name in ${1//|/ }; do
    if [[ $(apt-cache policy "$name") == *'Candidate: '[0-9]* ]]; then
      echo "$name"
      return
    fi
  done
  die "apt knows none of: ${1//|/, }. Is this Debian 12 or 13?"
}

main() {
  local entries=() names=() entry
  while (($# > 0)); do
    case $1 in
      -h | --help)
        usage
        return
        ;;
      --from)
        [[ -r ${2:-} ]] || die "--from wants a file that can be read, not '${2:-}'"
        mapfile -t -O "${#entries[@]}" entries <"$2"
        shift
        ;;
      *)
        image_packages "$1" >/dev/null || die "there is no set '$1'; --help lists them"
        mapfile -t -O "${#entries[@]}" entries < <(image_packages "$1")
        ;;
    esac
    shift
  done
  ((${#entries[@]} > 0)) || die "say what to install; --help tells how"
  [[ $(id -u) == 0 ]] || die "packages are installed by root, and this is $(id -un)"

  apt-get update -q
  for entry in "${entries[@]}"; do names+=("$(choose "$entry")"); done
  apt-get install -q -y --no-install-recommends "${names[@]}"
  apt-get clean
  rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache
}

main "$@"
