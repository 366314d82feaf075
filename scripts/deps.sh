#!/usr/bin/env bash
# Installs the Debian packages that are missing, and does nothing when none is.
#
#   scripts/deps.sh [build|run|test|bench|lint|images]...     without a group: all of them
#
# It works as root or through sudo. Services that a package brings along are neither started nor
# changed.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
# shellcheck source=scripts/lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/packages.sh"

readonly POLICY_RC_D=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
as_root=()
made_policy=no

# Set in the environment of every apt command: no question may stop a script.
export DEBIAN_FRONTEND=noninteractive

# Asked once for all: one call per package would take a second.
declare -A installed=()
read_installed() {
  local name status
  while read -r name status; do
    if [[ $status == installed ]]; then installed[$name]=yes; fi
  done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null || true)
}

# "a|b" -> succeeds when one of them is installed.
is_satisfied() {
  local name
  for name in ${1//|/ }; do
    if [[ -n ${installed[$name]:-} ]]; then return 0; fi
  done
  return 1
}

# "a|b" -> the first that apt can install, or the first of all when it knows none.
choose() {
  local name
  for name in ${1//|/ }; do
    if apt-cache show "$name" >/dev/null 2>&1; then
      echo "$name"
      return
    fi
  done
  echo "${1%%|*}"
}

become_root() {
  if [[ $(id -u) == 0 ]]; then return; fi
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
    as_root=(sudo --preserve-env=DEBIAN_FRONTEND)
    return
  fi
  die "these packages are missing, and installing them needs root or sudo. Run as root:
  apt-get update && apt-get install --no-install-recommends $*"
}

# Debian starts a service as soon as its package is installed, unless policy-rc.d says no.
forbid_service_starts() {
  if [[ -e $POLICY_RC_D ]]; then return; fi
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$POLICY_RC_D" >/dev/null
  made_policy=yes
  "${as_root[@]}" chmod 755 "$POLICY_RC_D"
}

allow_service_starts() {
  if [[ $made_policy == yes ]]; then "${as_root[@]}" rm -f "$POLICY_RC_D"; fi
}

main() {
  if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    return
  fi
  local groups=("$@") group entry missing=() names=()
  if ((${#groups[@]} == 0)); then groups=("${PACKAGE_GROUPS[@]}"); fi
  read_installed
  for group in "${groups[@]}"; do
    packages_of "$group" >/dev/null ||
      die "there is no group '$group'; the groups are ${PACKAGE_GROUPS[*]}"
    for entry in $(packages_of "$group"); do
      is_satisfied "$entry" || missing+=("$entry")
    done
  done
  if ((${#missing[@]} == 0)); then
    say "All packages for ${groups[*]} are installed."
    return
  fi

  say "Missing packages: ${missing[*]}"
  command -v apt-get >/dev/null ||
    die "there is no apt-get here: these scripts install packages on Debian 12 and 13 only.
Install the equivalents of: ${missing[*]}"
  become_root "${missing[@]%%|*}"

  say "Asking apt what it can install ..."
  "${as_root[@]}" apt-get update -q >/dev/null ||
    die "apt-get update failed, so these packages cannot be installed: ${missing[*]%%|*}
Check that this machine can reach its Debian mirror, then run this again."
  for entry in "${missing[@]}"; do names+=("$(choose "$entry")"); done

  trap allow_service_starts EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  forbid_service_starts
  say "Installing ${#names[@]} packages ..."
  "${as_root[@]}" apt-get install -q -y --no-install-recommends "${names[@]}" ||
    die "apt-get could not install: ${names[*]}
Its own message is above."
  say "Installed: ${names[*]}"
}

main "$@"
