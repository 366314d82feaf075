#!/usr/bin/env bash
# Starts a gateway with quotas in front of a small demo API, on this machine only, and stays until
# Ctrl-C. Then everything is stopped and removed.
#
#   scripts/quickstart.sh [--check] [--port N]
#
#   --port N   where the gateway listens, on 127.0.0.1; 8080 unless said otherwise
#   --check    instead of staying, checks that the gateway keeps its promises; prints a table of
#              what was expected and seen, and exits with 0 or 1
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$scripts/lib/common.sh"
# shellcheck source=scripts/lib/build.sh
source "$scripts/lib/build.sh"
# shellcheck source=scripts/lib/services.sh
source "$scripts/lib/services.sh"

# Debian's python3; another one may come first on the PATH.
readonly PYTHON=/usr/bin/python3
readonly DEMO=$scripts/demo
readonly BUILT=$REPO/build/release

port=8080
check=no
dir=

parse_arguments() {
  while (($# > 0)); do
    case $1 in
      --check) check=yes ;;
      --port)
        shift
        port=${1:-}
        ;;
      --port=*) port=${1#*=} ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) die "unknown option '$1'; try --help" ;;
    esac
    shift || true
  done
  if [[ ! $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
    die "--port wants a number from 1 to 65535, not '$port'"
  fi
}

# Also after a signal in the middle of starting.
clean_up() {
  trap '' INT TERM HUP
  stop_logged
  stop_services
  if [[ -n $dir ]]; then rm -rf "$dir"; fi
}

# is_free <port>: whether something may listen there. SO_REUSEADDR as nginx has it, so that old
# connections do not count.
is_free() {
  "$PYTHON" - "$1" <<'END' 2>/dev/null
import socket, sys
with socket.socket() as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", int(sys.argv[1])))
END
}

# The usual admin port, or any free one when somebody has it.
choose_admin_port() {
  if ((port != 9180)) && is_free 9180; then
    echo 9180
    return
  fi
  "$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

can_connect() {
  "$PYTHON" -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$1"
}

write_nginx_conf() {
  local user=
  # Root's nginx gives its workers to another user; anybody else's cannot.
  if [[ $(id -u) == 0 ]]; then user='user www-data;'; fi
  sed -e "s|@MODULE@|$BUILT/ngx_http_quota_module.so|" -e "s|@DIR@|$dir|g" -e "s|@PORT@|$port|" \
    -e "s|@USER@|$user|" "$DEMO/nginx.conf.in" >"$dir/nginx.conf"
}

start() {
  local admin_port=$1 group=()
  if [[ $check == yes ]]; then
    "$PYTHON" "$DEMO/acceptance.py" policy "$DEMO/policy.yaml" >"$dir/policy.yaml"
  else
    cp "$DEMO/policy.yaml" "$dir/policy.yaml"
  fi
  write_nginx_conf

  say "Starting the demo API, quotad and nginx ..."
  start_service "the demo API" "$dir/api.log" "$PYTHON" "$DEMO/api.py" "$dir/api.sock"
  wait_for "the demo API" "$dir/api.log" test -S "$dir/api.sock"

  if [[ $(id -u) == 0 ]]; then group=(--socket-group www-data); fi
  start_service quotad "$dir/quotad.log" "$BUILT/quotad" --listen "unix:$dir/quota.sock" \
    --admin-listen "127.0.0.1:$admin_port" --policy "$dir/policy.yaml" \
    --store "local://$dir/state.db" "${group[@]}"
  wait_for quotad "$dir/quotad.log" curl -fsS "http://127.0.0.1:$admin_port/readyz"

  start_service nginx "$dir/nginx-error.log" nginx -e "$dir/nginx-error.log" -p "$dir" \
    -c "$dir/nginx.conf" -g 'daemon off;'
  wait_for nginx "$dir/nginx-error.log" can_connect "$port"
}

describe() {
  local admin_port=$1 key
  say "
The gateway is at http://127.0.0.1:$port. Try:
"
  for key in demo-free-key demo-pro-key demo-enterprise-key; do
    say "  curl -i -H 'X-API-Key: $key' http://127.0.0.1:$port/identify"
  done
  say "  curl -i http://127.0.0.1:$port/identify          # no key: 30 a minute for your address

/compare costs 2, /health costs nothing. To see a limit, as a free consumer:

  for i in \$(seq 150); do curl -so /dev/null -w '%{http_code}\\n' \\
    -H 'X-API-Key: demo-free-key' http://127.0.0.1:$port/identify; done | sort | uniq -c

The sidecar's admin API is at http://127.0.0.1:$admin_port, its metrics at /metrics, and nginx's own
at http://127.0.0.1:$port/gateway-metrics. From the command line:

  build/release/quotactl --admin http://127.0.0.1:$admin_port get demo-free
  QUOTACTL_API_KEY=demo-free-key build/release/quotactl --admin http://127.0.0.1:$admin_port \\
    explain --path /compare

Logs and state are in $dir. Stop with Ctrl-C."
}

# Until one of the services ends, which none should.
stay() {
  local i
  wait -n "${service_pids[@]}" || true
  for i in "${!service_pids[@]}"; do
    if ! is_running "${service_pids[i]}"; then
      tail -n 20 "$dir"/*.log >&2
      die "${service_names[i]} has ended; the ends of the logs are above."
    fi
  done
}

main() {
  local admin_port status=0
  parse_arguments "$@"
  "$scripts/deps.sh" build run

  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  is_free "$port" ||
    die "port $port of 127.0.0.1 is taken or not permitted; choose another: $0 --port $((port % 65535 + 1))"
  if [[ ! -x $BUILT/quotad ]]; then say "The first build takes some minutes."; fi
  build release quotad quotactl ngx_http_quota_module

  dir=$(mktemp -d "${TMPDIR:-/tmp}/quotagate.XXXXXX")
  chmod 755 "$dir" # nginx's workers look into it
  admin_port=$(choose_admin_port)
  start "$admin_port"
  if [[ $check == yes ]]; then
    say "Checking http://127.0.0.1:$port ..."
    "$PYTHON" "$DEMO/acceptance.py" run "http://127.0.0.1:$port" || status=$?
    exit "$status"
  fi
  describe "$admin_port"
  stay
}

main "$@"
