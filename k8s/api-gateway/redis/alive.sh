#!/bin/sh
# Whether a server answers at all. One that still loads its data, or has lost its primary, is alive:
# a restart would make neither better.
#
#   alive.sh PORT
set -eu
here=$(dirname "$0")
# shellcheck source=k8s/api-gateway/redis/lib.sh
. "$here/lib.sh"

case $(ask "${QUOTA_REDIS_LISTEN:-127.0.0.1}" "$1" ping) in
  PONG | LOADING* | MASTERDOWN*) ;;
  *)
    say "nobody answers on port $1"
    exit 1
    ;;
esac
