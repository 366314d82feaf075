#!/bin/sh
# Whether this node is of use: a primary, or a replica that has caught up with one. A rolling update
# goes on to the next node only then.
set -eu
here=$(dirname "$0")
# shellcheck source=k8s/api-gateway/redis/lib.sh
. "$here/lib.sh"

state=$(ask_here info replication)
case $state in
  *role:master*) ;;
  *master_link_status:up*) ;;
  *)
    say "neither a primary nor connected to one"
    exit 1
    ;;
esac
