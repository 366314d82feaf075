#!/bin/sh
# Starts Redis as what the Sentinels say it is: the primary, or a replica of another.
#
# It never decides that itself. Nodes that remembered their own role would, after a restart of all,
# come up as two primaries when a failover had happened while one was away. Two Sentinels of three
# always include one that took part in the last failover, and theirs is the highest epoch. So where
# fewer than two answer, this waits: no Redis is better than two, and quotad has store_lost for it.
set -eu
here=$(dirname "$0")
# shellcheck source=k8s/api-gateway/redis/lib.sh
. "$here/lib.sh"

primary=
said=
while [ -z "$primary" ]; do
  primary=$(newest_opinion "$MAJORITY")
  if [ -z "$primary" ]; then
    if [ -z "$said" ]; then say "waiting for $MAJORITY Sentinels to say who is the primary"; fi
    said=yes
    sleep 1
  fi
done

mkdir -p "$RUN" "$DATA"
{
  cat "$here/redis.conf"
  listen_line
  printf 'dir %s\n' "$DATA"
  printf 'requirepass "%s"\nmasterauth "%s"\n' "$REDISCLI_AUTH" "$REDISCLI_AUTH"
  printf 'replica-announce-ip %s\n' "$QUOTA_REDIS_ME"
  if [ "$primary" != "$QUOTA_REDIS_ME" ]; then printf 'replicaof %s 6379\n' "$primary"; fi
} >"$RUN/redis.conf"

if [ "$primary" = "$QUOTA_REDIS_ME" ]; then
  say "the Sentinels say that this is the primary"
else
  say "the Sentinels say that $primary is the primary"
fi
unset REDISCLI_AUTH
exec redis-server "$RUN/redis.conf"
