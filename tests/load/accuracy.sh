#!/usr/bin/env bash
# Whether a limit is exact: 150 requests with ab, of which 100 are let through and 50 are denied.
#
#   tests/load/accuracy.sh [option...]
#
#   --url URL      the gateway; http://127.0.0.1:8080 unless said otherwise
#   --path PATH    what is asked for; it has to cost 1. /identify
#   --key KEY      the consumer's API key; demo-free-key
#   --limit N      what it may have a minute; 100
#   --allowed N    how many requests are to be let through; as many as --limit says
#   --denied N     how many more are sent; 50
#   --fresh        the consumer has not asked for anything yet: do not wait
#   --admin URL --token-file FILE [--tier TIER]
#                  make a consumer of this tier (free) for the occasion, and remove it at the end
#
# Without --fresh or --admin the bucket is emptied, and then gets the time in which --allowed units
# flow in, a minute unless said otherwise. So it can be repeated at will, by whoever asked before.
#
# Ends with 0: exact; 1: not so; 2: it could not be run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$here/../../scripts/lib/common.sh"
# shellcheck source=tests/load/lib.sh
source "$here/lib.sh"

url=http://127.0.0.1:8080
path=/identify
key=demo-free-key
limit=100
allowed=
denied=50
fresh=no
admin=
token_file=
tier=free
consumer=
output=

parse_arguments() {
  while (($# > 0)); do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --fresh)
        fresh=yes
        shift
        continue
        ;;
      --url | --path | --key | --limit | --allowed | --denied | --admin | --token-file | --tier)
        if (($# < 2)) || [[ -z $2 ]]; then cannot "$1 wants a value"; fi
        ;;
      *) cannot "unknown option '$1'; try --help" ;;
    esac
    case $1 in
      --url) url=${2%/} ;;
      --path) path=$2 ;;
      --key) key=$2 ;;
      --limit) limit=$2 ;;
      --allowed) allowed=$2 ;;
      --denied) denied=$2 ;;
      --admin) admin=${2%/} ;;
      --token-file) token_file=$2 ;;
      --tier) tier=$2 ;;
    esac
    shift 2
  done
  allowed=${allowed:-$limit}
  want_number --limit "$limit" 1
  want_number --allowed "$allowed" 1
  want_number --denied "$denied" 1
  if [[ -n $admin && ! -r $token_file ]]; then
    cannot "--admin wants --token-file, a file that can be read, not '$token_file'"
  fi
}

# ask_admin <curl's arguments...>: the token is in no command line.
ask_admin() {
  curl -sS --fail-with-body -H @<(printf 'Authorization: Bearer %s' "$(<"$token_file")") "$@" 2>&1
}

make_consumer() {
  local digest answer id detail
  id=load-$(date +%s)-$$
  key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  digest=$(printf %s "$key" | sha256sum)
  answer=$(ask_admin -X PUT "$admin/v1/consumers/$id" -H 'Content-Type: application/json' \
    -d "{\"tier\":\"$tier\",\"add_key_sha256\":[\"${digest%% *}\"]}") ||
    {
      detail=$(sed -n 's/^ *"detail": "\(.*\)"$/\1/p' <<<"$answer")
      cannot "the admin API at $admin made no consumer: ${detail:-$answer}"
    }
  consumer=$id
}

clean_up() {
  rm -f "$output"
  if [[ -n $consumer ]]; then
    ask_admin -X DELETE "$admin/v1/consumers/$consumer" >/dev/null ||
      printf 'accuracy.sh: consumer %s could not be removed\n' "$consumer" >&2
  fi
}

# Of what ab tells about one answer each; what it sums up knows no statuses.
count() {
  awk -v wanted="$1" '
    /^WARNING: Response code not 2xx \(/ { code = $NF; gsub(/[()]/, "", code); seen[code]++ }
    /^Complete requests:/ { complete = $3 }
    /^Non-2xx responses:/ { other = $3 }
    END {
      seen["2xx"] = complete - other
      print (wanted == "others") ? other - seen["429"] : seen[wanted] + 0
    }' "$output"
}

main() {
  local most rate status=0 took
  parse_arguments "$@"
  need ab apache2-utils
  need curl curl
  output=$(mktemp "${TMPDIR:-/tmp}/accuracy.XXXXXX")
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  rate=$(calculate "$limit / 60")

  if [[ -n $admin ]]; then
    make_consumer
    fresh=yes
  fi
  if [[ $fresh == no ]]; then
    drain
    took=$(calculate "$allowed / $rate")
    say "The bucket is empty; $allowed units flow in within $(whole "$(calculate "$took + 0.5")") s."
    sleep "$took"
  fi
  # Many at a time: what one connection cannot show, two workers of nginx may.
  ab -q -k -l -v 2 -c 10 -n "$((allowed + denied))" -H "X-API-Key: $key" "$url$path" \
    >"$output" 2>&1 || cannot "ab: $(tail -n 1 "$output")"

  if [[ $fresh == yes ]]; then
    took=$(awk '/^Time taken for tests:/ { print $5 }' "$output")
    most=$(calculate "$allowed + $rate * $took")
  else
    most=$(calculate "0.999 + $rate * ($EPOCHREALTIME - $emptied)")
  fi
  judge "$((allowed + denied)) requests with ab" "$(count 2xx)" "$allowed" "$(whole "$most")" \
    "$(count 429)" "$(count others)" || status=1
  return "$status"
}

main "$@"
