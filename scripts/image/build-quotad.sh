#!/usr/bin/env bash
# Builds quotad and quotactl and writes into a folder what their image takes.
#
#   scripts/image/build-quotad.sh FOLDER
#
# FOLDER then holds bin/quotad, bin/quotactl and packages, the Debian packages that they need.
set -euo pipefail
steps=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$steps/../lib/common.sh"

main() {
  local out=${1:-}
  if [[ $out == -h || $out == --help ]]; then
    usage
    return
  fi
  [[ -n $out ]] || die "say into which folder; --help tells how"
  cd "$REPO"
  cmake --preset release -DQUOTA_TESTS=OFF
  cmake --build --preset release --parallel "$(parallelism)" --target quotad quotactl
  install -D --strip -t "$out/bin" build/release/quotad build/release/quotactl
  "$steps/runtime-packages.sh" "$out"/bin/* >"$out/packages"
  say "quotad and quotactl need: $(tr '\n' ' ' <"$out/packages")"
}

main "$@"
