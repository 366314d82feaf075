#!/usr/bin/env bash
# The last step of nginx's image: its user, logs to the container's own, the module in its place and
# checked, the list of packages.
#
#   scripts/image/finish-nginx.sh UID FOLDER
#
# FOLDER is where build-module.sh has written the module.
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
  local uid=${1:-} built=${2:-}
  make_user nginx-gateway "$uid"
  "$steps/check-module.sh" "$built"
  install -D -m 644 -t /usr/lib/nginx/modules "$built/ngx_http_quota_module.so"
  install -D -m 644 "$built/built-for" /usr/share/quotagate/built-for
  # nginx opens its own error log before it reads which one it is told to use.
  ln -sf /dev/stdout /var/log/nginx/access.log
  ln -sf /dev/stderr /var/log/nginx/error.log
  install -d -m 2770 -o "$uid" -g "$uid" /run/quota
  install -m 755 "$steps/health.sh" /usr/local/bin/quotagate-health
  record_packages
  nginx -t -q
}

main "$@"
