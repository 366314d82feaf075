#!/usr/bin/env bash
# The last step of Kong's image: the module in its place and checked with Kong's own nginx, the list
# of packages.
#
#   scripts/image/finish-kong.sh UID FOLDER
#
# UID is the number of Kong's user in the image that this one is made of. FOLDER is where
# build-module.sh has written the module.
set -euo pipefail
steps=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$steps/../lib/common.sh"
# shellcheck source=scripts/image/finish.sh
source "$steps/finish.sh"

readonly OPENRESTY=/usr/local/openresty/nginx

main() {
  if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    return
  fi
  local uid=${1:-} built=${2:-} actual
  actual=$(id -u kong) || die "there is no user kong: is this an image of Kong?"
  [[ $actual == "$uid" ]] ||
    die "Kong's user has the number $actual here, not $uid: give --build-arg KONG_UID=$actual"
  "$steps/check-module.sh" "$built" --nginx "$OPENRESTY/sbin/nginx"
  install -D -m 644 -t "$OPENRESTY/modules" "$built/ngx_http_quota_module.so"
  install -D -m 644 "$built/built-for" /usr/share/quotagate/built-for
  record_packages
}

main "$@"
