# shellcheck shell=bash
# What every script here shares: where the repository is, and how to speak and to fail.

# shellcheck disable=SC2034 # not every script that reads this needs it
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# nginx and friends, which an ordinary user's PATH does not hold.
PATH=$PATH:/usr/sbin:/sbin

say() {
  printf '%s\n' "$*"
}

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# The text between the shebang line and the first line that is not a comment: each script's --help.
usage() {
  sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"
}

# How many jobs may run at once.
parallelism() {
  printf '%s' "${CTEST_PARALLEL_LEVEL:-$(nproc)}"
}
