# shellcheck shell=bash disable=SC2154,SC2034
# What accuracy.sh and flood.sh share: how a bucket is brought into a known state, and what it may
# give from then on. They set url, path, key, limit.

# Neither passed nor failed: it could not be run.
cannot() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 2
}

need() {
  command -v "$1" >/dev/null || cannot "$1 is not installed: apt-get install $2"
}

# want_number <option> <value> <least>
want_number() {
  if [[ ! $2 =~ ^[0-9]{1,9}$ ]] || ((10#$2 < $3)); then
    cannot "$1 wants a whole number from $3 up, not '$2'"
  fi
}

# calculate <expression of awk>: what bash cannot do, with fractions.
calculate() {
  awk "BEGIN { printf \"%.6f\", $1 }"
}

# A number without its fraction.
whole() {
  printf '%s' "${1%.*}"
}

# statuses <count>: of so many requests in a row over one connection, one a line.
statuses() {
  curl -sS -o /dev/null -w '%{http_code}\n' -H "X-API-Key: $key" "$url$path?n=[1-$1]" 2>&1
}

# Sets `emptied` to a time at which less than one unit was left.
drain() {
  local round last
  for ((round = 0; round < 20; round++)); do
    emptied=$EPOCHREALTIME
    last=$(statuses 1) || cannot "the gateway does not answer: $last"
    case $last in
      429) return ;;
      200) statuses "$limit" >/dev/null || cannot "the gateway stopped to answer" ;;
      *) cannot "$url$path answers with $last, neither 200 nor 429; is the key right?" ;;
    esac
  done
  cannot "the key was not denied in $((20 * limit)) requests: its limit is not $limit a minute, or" \
    "limits are not enforced"
}

# judge <what> <allowed> <least> <most> <denied> <others>: prints it, and says whether it is right.
judge() {
  local what=$1 allowed=$2 least=$3 most=$4 denied=$5 others=$6 span=$3
  if ((least != most)); then span="$least to $most"; fi
  printf '%s: %s allowed (expected %s), %s denied, %s others\n' \
    "$what" "$allowed" "$span" "$denied" "$others"
  ((allowed >= least && allowed <= most && others == 0))
}
