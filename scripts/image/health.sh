#!/usr/bin/env bash
# Asks a server in this container for a page, and succeeds if the status is 200 to 299.
#
#   quotagate-health PORT PATH
#
# For HEALTHCHECK, and for probes that run a command: the images have no curl.
set -euo pipefail

port=${1:?"say which port"}
path=${2:?"say which path"}

exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$path" >&3
if ! read -r -t 4 _ status _ <&3; then
  printf 'port %s does not answer\n' "$port"
  exit 1
fi
printf '%s answers %s\n' "$path" "$status"
[[ $status == 2?? ]]
