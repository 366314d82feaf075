#!/usr/bin/env bash
# Builds everything and runs every test. Ends with ctest's own summary.
#
#   scripts/test.sh [--preset release|debug|asan|tsan] [--build "target..."] [ctest arguments]
#
# For example: scripts/test.sh --preset asan -R unit
#
#   --build    builds only these targets; the ctest arguments then have to select their tests
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$scripts/lib/common.sh"
# shellcheck source=scripts/lib/build.sh
source "$scripts/lib/build.sh"

preset=release
case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
  --preset)
    preset=${2:?"--preset wants a name"}
    shift 2
    ;;
  --preset=*)
    preset=${1#*=}
    shift
    ;;
esac

targets=()
if [[ ${1:-} == --build ]]; then
  read -ra targets <<<"${2:?"--build wants targets"}"
  shift 2
fi

trap stop_logged EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$scripts/deps.sh" build run test
build "$preset" "${targets[@]}"
if [[ $preset == tsan ]]; then
  # Debian's nginx cannot load a module built for the thread sanitizer, and a module that runs in
  # one thread has nothing to find there: its end-to-end tests take the release module.
  build release ngx_http_quota_module
fi

sanitizers=$REPO/tests/sanitizers
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$sanitizers/lsan.supp:print_suppressions=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$sanitizers/tsan.supp:history_size=4}

say "Testing $preset ..."
cd "$REPO"
ctest --preset "$preset" --parallel "$(parallelism)" --output-on-failure "$@"
