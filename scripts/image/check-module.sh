#!/usr/bin/env bash
# Checks that an nginx and the module fit together: nginx loads it, and it does its work.
#
#   scripts/image/check-module.sh FOLDER [--nginx BINARY]
#
#   FOLDER           where build-module.sh has written the module
#   --nginx BINARY   nginx unless said otherwise
#
# nginx itself compares only its version number and some options of its build. A patched nginx with
# other structures under the same number, as Kong has it, loads a module that looks for everything
# in the wrong place, and may well let every request pass unlimited. So requests are made, too.
set -euo pipefail
steps=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$steps/../lib/common.sh"

folder=
nginx=nginx
dir=
server=

clean_up() {
  if [[ -n $server ]]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  if [[ -n $dir ]]; then rm -rf "$dir"; fi
}

write_conf() {
  # One process, so that no question of users and permissions comes up. No quotad: each of the three
  # answers to its absence goes another way through the module.
  cat >"$dir/nginx.conf" <<END
load_module $folder/ngx_http_quota_module.so;
daemon off;
master_process off;
pid $dir/pid;
error_log $dir/error.log notice;
events {}
http {
    access_log off;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    root $dir/html;
    quota_pass unix:$dir/none.sock;
    quota_local_zone check:64k rate=1r/m;
    server {
        listen 127.0.0.1:$1;
        quota on;
        quota_attribute api_key \$http_x_api_key;
        add_header X-Outcome \$quota_outcome always;
        location /deny { quota_on_error deny; }
        location /allow { quota_on_error allow; }
        location /local { quota_on_error local; }
    }
}
END
}

# The lines of nginx's own output and log that say what is wrong.
complaints() {
  grep -hE '\[(emerg|alert|crit|error)\]' "$dir/output" "$dir/error.log" 2>/dev/null |
    grep -v 'none\.sock' | sort -u | head -n 5 || true
}

# explain <complaints>: what nginx's refusals mean and what to do.
explain() {
  case $1 in
    *'instead of'*)
      say "The module was built for another version of nginx. Build it with --tree for this one."
      ;;
    *'is not binary compatible'*)
      say "The module was built in a tree that was configured with other options. Build it in the" \
        "tree in which this nginx was built."
      ;;
    *'cannot open shared object file'*)
      say "A library of the module is missing: install the packages in $folder/packages."
      ;;
  esac
}

load() {
  if ! "$nginx" -t -q -p "$dir" -c "$dir/nginx.conf" >"$dir/output" 2>&1; then
    local found
    found=$(complaints)
    say "${found:-$(cat "$dir/output")}" >&2
    explain "$found" >&2
    die "this nginx does not load the module"
  fi
}

# The OpenResty that Kong is made of has its own version beside that of nginx.
compare_versions() {
  local expected actual
  expected=$(awk '$1 == "version" { print $2 }' "$folder/built-for")
  actual=$("$nginx" -v 2>&1 | awk -F': ' '/version/ { print $2 }' | awk '{ print $1 }')
  if [[ $actual != "$expected" ]]; then
    die "the module was built for $expected, and $nginx is $actual"
  fi
}

start() {
  local attempt port
  for ((attempt = 0; attempt < 10; attempt++)); do
    port=$((20000 + RANDOM % 12000))
    write_conf "$port"
    "$nginx" -p "$dir" -c "$dir/nginx.conf" >"$dir/output" 2>&1 &
    server=$!
    while kill -0 "$server" 2>/dev/null; do
      if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        listening=$port
        return
      fi
      sleep 0.05
    done
    wait "$server" || true
    server=
    # Only a port that somebody else has is worth another try.
    if ! grep -q 'Address already in use' "$dir/output" "$dir/error.log"; then break; fi
  done
  complaints >&2
  die "nginx does not start with the module"
}

# answer <path>: "status outcome content-type" of one request.
answer() {
  local status='nothing' outcome='-' type='-' name value
  exec 3<>"/dev/tcp/127.0.0.1/$listening"
  printf 'GET %s HTTP/1.1\r\nHost: check\r\nX-API-Key: abc\r\nConnection: close\r\n\r\n' "$1" >&3
  read -r -t 10 _ status _ <&3 || true
  while IFS=': ' read -r -t 10 name value <&3 && [[ -n ${name%$'\r'} ]]; do
    case ${name,,} in
      x-outcome) outcome=${value%$'\r'} ;;
      content-type) type=${value%$'\r'} ;;
    esac
  done
  exec 3>&-
  printf '%s %s %s' "${status:-nothing}" "$outcome" "$type"
}

# expect <path> <answer>
expect() {
  local seen
  seen=$(answer "$1" 2>/dev/null) || seen=nothing
  if [[ $seen != "$2" ]]; then
    complaints >&2
    die "GET $1 was answered with '$seen', not with '$2'. The module does not fit this nginx, \
although nginx loads it: its structures are others than those of the tree that the module was \
built in. Build it in the tree of this very release"
  fi
}

main() {
  local listening=''
  while (($# > 0)); do
    case $1 in
      -h | --help)
        usage
        return
        ;;
      --nginx)
        nginx=${2:-}
        shift
        ;;
      -*) die "unknown option '$1'; try --help" ;;
      *) folder=$(realpath "$1") ;;
    esac
    shift
  done
  [[ -f $folder/ngx_http_quota_module.so ]] ||
    die "there is no ngx_http_quota_module.so in '$folder'; build-module.sh makes it"
  command -v "$nginx" >/dev/null || die "there is no '$nginx'"

  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  dir=$(mktemp -d)
  mkdir "$dir/html"
  echo content | tee "$dir/html/allow" >"$dir/html/local"
  write_conf 1
  load
  compare_versions
  start
  expect /deny '503 error_denied application/problem+json'
  expect /allow '200 error_allowed text/plain'
  expect /local '200 local_allowed text/plain'
  expect /local '429 local_denied application/problem+json'
  say "$("$nginx" -v 2>&1 | head -n 1): loads the module, which denies and allows as it should"
}

main "$@"
