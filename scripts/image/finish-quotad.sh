#!/usr/bin/env bash
# The last step of quotad's image: its user, the folders that it writes to, the list of packages.
#
#   scripts/image/finish-quotad.sh UID
set -euo pipefail
steps=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$steps/../lib/common.sh"
# shellcheck source=scripts/image/finish.sh
source "$steps/finish.sh"

main() {
  if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    return
  fi
  make_user quotad "${1:-}"
  # The socket is for the group, which the gateway's image shares. State is for nobody else.
  install -d -m 2770 -o "$1" -g "$1" /run/quota
  install -d -m 700 -o "$1" -g "$1" /var/lib/quotad
  install -m 755 "$steps/health.sh" /usr/local/bin/quotagate-health
  record_packages
  quotad --version
  quotad --config /etc/quota/quotad.yaml --check
}

main "$@"
