#!/usr/bin/env bash
# Puts load on a gateway that runs already, with whatever is installed here, and says how it went.
#
#   tests/load/run.sh [quick|full] [option...]
#
#   quick         some seconds each: does it work at all? This is the default
#   full          as long and as much as they are meant to be: about ten minutes
#   --url URL     the gateway; http://127.0.0.1:8080 unless said otherwise
#   --only NAME   one check, instead of all of them; repeatable
#   --out DIR     where logs and JSON go; a new directory unless said otherwise
#   --fresh       the free consumer has not asked for anything yet: ab need not wait a minute
#
# The checks, in this order:
#
#   ab            150 requests in a row: 100 are let through, 50 are denied
#   wrk           a flood: no more is let through than flows into the bucket
#   accuracy      k6: the same at 10,000 requests a second, for two consumers at once
#   tiers         k6: all tiers, strangers and wrong keys at once
#   seed          k6: 50 users
#
# Keys, limits and thresholds are set by environment variables: see tests/load/README.md.
# QUOTA_K6 names k6 where it is not on the PATH.
#
# Ends with 0: all of them ran and passed; 1: something failed; 2: bad arguments; 3: the gateway
# does not answer; 4: nothing failed, but not everything could be run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$here/../../scripts/lib/common.sh"

readonly ALL=(ab wrk accuracy tiers seed)
readonly K6=${QUOTA_K6:-k6}

how=quick
url=${BASE_URL:-http://127.0.0.1:8080}
out=
fresh=()
chosen=()
rows=()
passed=0
failed=0
skipped=0

wrong() {
  printf 'run.sh: %s\n' "$*" >&2
  exit 2
}

parse_arguments() {
  while (($# > 0)); do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      quick | full) how=$1 ;;
      --fresh) fresh=(--fresh) ;;
      --url | --only | --out)
        if (($# < 2)) || [[ -z $2 ]]; then wrong "$1 wants a value"; fi
        case $1 in
          --url) url=$2 ;;
          --only) chosen+=("$2") ;;
          --out) out=$2 ;;
        esac
        shift
        ;;
      *) wrong "unknown argument '$1'; try --help" ;;
    esac
    shift
  done
  url=${url%/}
  if [[ ! $url =~ ^https?://[^/]+ ]]; then
    wrong "--url wants an address such as http://127.0.0.1:8080, not '$url'"
  fi
  if ((${#chosen[@]} == 0)); then chosen=("${ALL[@]}"); fi
  local name
  for name in "${chosen[@]}"; do
    [[ " ${ALL[*]} " == *" $name "* ]] || wrong "there is no check '$name'; there are ${ALL[*]}"
  done
}

check_gateway() {
  local answer
  answer=$(curl -sS -m 10 -o /dev/null -w '%{http_code}' "$url/health" 2>&1) || {
    printf 'run.sh: %s does not answer: %s\n' "$url" "${answer%$'\n'000}" >&2
    printf 'Start one with scripts/quickstart.sh, or name another with --url.\n' >&2
    exit 3
  }
  if [[ $answer != 200 ]]; then
    printf 'run.sh: %s/health answers with %s, not 200: is this the gateway?\n' "$url" "$answer" >&2
    exit 3
  fi
}

# note <name> <result> <what is to be said of it>
note() {
  rows+=("$(printf '%-9s  %-7s  %s' "$1" "$2" "$3")")
  case $2 in
    passed) passed=$((passed + 1)) ;;
    FAILED) failed=$((failed + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
  esac
}

# run_check <name> <how to get it> <program> <command...>
run_check() {
  local name=$1 help=$2 program=$3 log=$out/$1.log status=0
  shift 3
  if ! command -v "$program" >/dev/null; then
    note "$name" skipped "$program is not installed: $help"
    return
  fi
  say "$name ..."
  # So that a signal to the script is acted on at once.
  "$@" >"$log" 2>&1 &
  wait $! || status=$?
  sed 's/^/  /' "$log"
  if ((status == 0)); then
    note "$name" passed "$(tail -n 1 "$log" | cut -c 1-90)"
  else
    note "$name" FAILED "exit code $status, see $log"
  fi
}

# run_k6 <name> [variable=value...]: what the environment says wins.
run_k6() {
  local name=$1 setting variable settings=()
  shift
  for setting in "$@"; do
    variable=${setting%%=*}
    if [[ -z ${!variable:-} ]]; then settings+=("$setting"); fi
  done
  run_check "$name" "see https://grafana.com/docs/k6/latest/set-up/install-k6/, or set QUOTA_K6" \
    "$K6" env BASE_URL="$url" SUMMARY_DIR="$out" K6_NO_USAGE_REPORT=true "${settings[@]}" \
    "$K6" run --quiet "$here/$name.js"
}

run_one() {
  local key=${FREE_KEY:-demo-free-key} limit=${FREE_PER_MINUTE:-100} seconds=60 brief=() rate=()
  if [[ $how == quick ]]; then
    seconds=5
    brief=(DURATION_FACTOR=0.1)
    rate=(RATE=1000)
  fi
  case $1 in
    ab)
      run_check ab "apt-get install apache2-utils" ab "$here/accuracy.sh" --url "$url" \
        --key "$key" --limit "$limit" "${fresh[@]}"
      ;;
    wrk)
      run_check wrk "apt-get install wrk" wrk "$here/flood.sh" --url "$url" --key "$key" \
        --limit "$limit" --seconds "$seconds"
      ;;
    accuracy) run_k6 accuracy "${brief[@]}" "${rate[@]}" ;;
    *) run_k6 "$1" "${brief[@]}" ;;
  esac
}

main() {
  local name
  parse_arguments "$@"
  command -v curl >/dev/null || wrong "curl is not installed: apt-get install curl"
  check_gateway
  out=${out:-$(mktemp -d "${TMPDIR:-/tmp}/quota-load.XXXXXX")}
  mkdir -p "$out"
  trap 'kill -TERM $(jobs -p) 2>/dev/null || true' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  say "Load on $url, $how; logs and JSON in $out"
  for name in "${chosen[@]}"; do run_one "$name"; done

  printf '\n%-9s  %-7s  %s\n' check result ""
  printf '%s\n' "${rows[@]}"
  printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  if ((failed > 0)); then exit 1; fi
  if ((skipped > 0)); then
    say "What was skipped has shown nothing."
    exit 4
  fi
}

main "$@"
