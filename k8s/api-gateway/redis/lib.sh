# shellcheck shell=sh
# What the scripts here share. The environment says who is who:
#   QUOTA_REDIS_HOSTS     the names of all nodes
#   QUOTA_REDIS_ME        the name of this one, by which the others know it
#   QUOTA_REDIS_PASSWORD  the file with the password
# and, for nodes that share a host: QUOTA_REDIS_LISTEN, the only address to listen on,
# QUOTA_REDIS_DATA and QUOTA_REDIS_RUN.

# shellcheck disable=SC2034 # not every script needs all of it
{
  DATA=${QUOTA_REDIS_DATA:-/data}
  RUN=${QUOTA_REDIS_RUN:-/run/quota-redis}
  MAJORITY=2
  SENTINEL=26379
}

# The variable that redis-cli reads. An argument could be seen in the list of processes.
REDISCLI_AUTH=$(cat "$QUOTA_REDIS_PASSWORD")
export REDISCLI_AUTH

# Files with the password are for nobody else.
umask 077

say() {
  printf '%s: %s\n' "$(basename "$0" .sh)" "$*"
}

# ask <host> <port> <command...>: its answer, or nothing.
ask() {
  host=$1
  port=$2
  shift 2
  timeout 3 redis-cli -h "$host" -p "$port" "$@" 2>/dev/null || true
}

ask_here() {
  ask "${QUOTA_REDIS_LISTEN:-127.0.0.1}" 6379 "$@"
}

# Lines of "epoch name": whom each Sentinel that answers takes for the primary. The higher the
# epoch, the later the failover that it knows of.
opinions() {
  for node in $QUOTA_REDIS_HOSTS; do
    ask "$node" "$SENTINEL" sentinel master quota | awk '
      NR % 2 { field = $0; next }
      field == "ip" { name = $0 }
      field == "config-epoch" { epoch = $0 }
      END { if (name != "" && epoch != "") print epoch, name }'
  done
}

# newest_opinion <number>: the latest of them, if at least so many Sentinels answer.
newest_opinion() {
  opinions | sort -rn | awk -v "least=$1" '
    NR == 1 { name = $2 }
    END { if (NR >= least) print name }'
}

# listen_line: for a configuration file.
listen_line() {
  printf 'bind %s\n' "${QUOTA_REDIS_LISTEN:-* -::*}"
}
