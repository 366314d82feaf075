#!/bin/sh
# Starts a Sentinel with what it knew before: it writes failovers into its own file, which lies on
# the volume. What does not change by itself is written anew each time, so that new passwords and
# settings are taken up. A Sentinel that knows nothing yet asks the others, and only in an empty
# house takes the first node for the primary, as the others then do too.
set -eu
here=$(dirname "$0")
# shellcheck source=k8s/api-gateway/redis/lib.sh
. "$here/lib.sh"

STATE=$DATA/sentinel

remembered() {
  if [ -s "$STATE/sentinel.conf" ]; then
    grep -E '^sentinel (myid|monitor|(config|leader|current)-epoch|known-(replica|sentinel)) ' \
      "$STATE/sentinel.conf" || true
  fi
}

mkdir -p "$STATE"
known=$(remembered)
case $known in
  *"sentinel monitor quota "*) say "goes on with what it knew" ;;
  *)
    primary=$(newest_opinion 1)
    primary=${primary:-${QUOTA_REDIS_HOSTS%% *}}
    known="sentinel monitor quota $primary 6379 $MAJORITY"
    # A primary tells of its replicas every ten seconds. Lost before that, nobody would know whom to
    # promote.
    for node in $QUOTA_REDIS_HOSTS; do
      if [ "$node" != "$primary" ]; then
        known="$known
sentinel known-replica quota $node 6379"
      fi
    done
    say "knows nothing yet and takes $primary for the primary"
    ;;
esac

{
  cat "$here/sentinel.conf"
  listen_line
  printf 'dir %s\n' "$STATE"
  printf 'requirepass "%s"\n' "$REDISCLI_AUTH"
  printf 'sentinel sentinel-pass %s\n' "$REDISCLI_AUTH"
  printf 'sentinel announce-ip %s\n' "$QUOTA_REDIS_ME"
  printf '%s\n' "$known"
  printf 'sentinel auth-pass quota %s\n' "$REDISCLI_AUTH"
  cat "$here/failover.conf"
} >"$STATE/sentinel.conf.new"
mv "$STATE/sentinel.conf.new" "$STATE/sentinel.conf"
unset REDISCLI_AUTH
exec redis-server "$STATE/sentinel.conf" --sentinel
