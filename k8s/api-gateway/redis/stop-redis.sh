#!/bin/sh
# Before a node stops: a primary hands over first, so that a rolling update costs a moment and not
# the seconds in which the Sentinels would wonder where it is. Then Redis gets its SIGTERM.
set -eu
here=$(dirname "$0")
# shellcheck source=k8s/api-gateway/redis/lib.sh
. "$here/lib.sh"

is_primary() {
  ask_here info replication | grep -q '^role:master'
}

# The Sentinel of this pod is being stopped as well, so one of the others.
hand_over() {
  for node in $QUOTA_REDIS_HOSTS; do
    if [ "$node" != "$QUOTA_REDIS_ME" ] &&
      [ "$(ask "$node" "$SENTINEL" sentinel failover quota)" = OK ]; then
      return 0
    fi
  done
  return 1
}

if ! is_primary || ! hand_over; then exit 0; fi
# No longer than this: the grace period also has to hold what Redis writes at its end.
left=20
while [ "$left" -gt 0 ] && is_primary; do
  left=$((left - 1))
  sleep 1
done
