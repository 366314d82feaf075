#!/usr/bin/env bash
# Whether a limit holds while it is asked for as fast as this machine can, with wrk: what is let
# through is what flows into the bucket meanwhile, to the unit.
#
#   tests/load/flood.sh [option...]
#
#   --url URL          the gateway; http://127.0.0.1:8080 unless said otherwise
#   --path PATH        what is asked for; it has to cost 1. /identify
#   --key KEY          the consumer's API key; demo-free-key
#   --limit N          what it may have a minute; 100
#   --seconds N        for how long; 60
#   --connections N    64
#   --least N          requests a second that it must have been, at least; 1
#
# The bucket is emptied first, so it can be repeated at will.
#
# Ends with 0: exact; 1: not so, or less than --least; 2: it could not be run.
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
seconds=60
connections=64
least=1
output=

parse_arguments() {
  while (($# > 0)); do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --url | --path | --key | --limit | --seconds | --connections | --least)
        if (($# < 2)) || [[ -z $2 ]]; then cannot "$1 wants a value"; fi
        ;;
      *) cannot "unknown option '$1'; try --help" ;;
    esac
    case $1 in
      --url) url=${2%/} ;;
      --path) path=$2 ;;
      --key) key=$2 ;;
      --limit) limit=$2 ;;
      --seconds) seconds=$2 ;;
      --connections) connections=$2 ;;
      --least) least=$2 ;;
    esac
    shift 2
  done
  want_number --limit "$limit" 1
  want_number --seconds "$seconds" 1
  want_number --connections "$connections" 1
  want_number --least "$least" 0
}

main() {
  local requests allowed denied others rate most fewest per_second status=0
  parse_arguments "$@"
  need wrk wrk
  need curl curl
  output=$(mktemp "${TMPDIR:-/tmp}/flood.XXXXXX")
  trap 'rm -f "$output"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  drain
  wrk -t 1 -c "$connections" -d "${seconds}s" -H "X-API-Key: $key" -s "$here/flood.lua" \
    "$url$path" >"$output" 2>&1 || cannot "wrk: $(tail -n 1 "$output")"
  rate=$(calculate "$limit / 60")
  # What less than a unit was left, and what came in until the last answer.
  most=$(calculate "0.999 + $rate * ($EPOCHREALTIME - $emptied)")
  # Not the last moment, in which wrk stops asking, nor what waits for its turn in two workers.
  fewest=$(calculate "$rate * ($seconds - 0.5) - 1")
  if ((${fewest%.*} < 0)); then fewest=0; fi

  read -r requests allowed denied others < <(sed -n 's/^flood: //p' "$output") ||
    cannot "wrk said nothing: $(tail -n 1 "$output")"
  per_second=$((requests / seconds))
  judge "$requests requests with wrk, $per_second a second" "$allowed" "$(whole "$fewest")" \
    "$(whole "$most")" "$denied" "$others" || status=1
  if ((per_second < least)); then
    say "That is less than $least requests a second."
    status=1
  fi
  return "$status"
}

main "$@"
