#!/usr/bin/env bash
# Checks everything in k8s/: renders each base and overlay and tests what comes out of it.
#
#   scripts/check-manifests.sh [pytest arguments]
#
# Wants python3 with venv, go, promtool, redis-server, and quotad and quotactl in build/release
# (or QUOTA_BUILD_DIR). Puts kustomize, the schemas of Kubernetes and the CRDs that are used below
# build/manifests, in exact versions, and uses what is there already.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$scripts/lib/common.sh"

readonly KUSTOMIZE=sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
# Modules whose source holds CRDs: name in the environment, module, directory of the CRDs.
readonly CRDS=(
  "PROMETHEUS_OPERATOR github.com/prometheus-operator/prometheus-operator@v0.85.0 \
example/prometheus-operator-crd"
  "KEDA github.com/kedacore/keda/v2@v2.21.0 config/crd/bases"
)
readonly TOOLS=$REPO/build/manifests
# Nothing but the Go that is installed.
export GOTOOLCHAIN=local

need() {
  local tool=$1 what=$2
  command -v "$tool" >/dev/null || die "$tool is not installed, and $what: install it and try again"
}

# The stamp holds what was installed, so a changed version is installed anew.
install_python() {
  local stamp=$TOOLS/python.stamp wanted=$REPO/tests/k8s/requirements.txt
  if cmp -s "$stamp" "$wanted"; then return; fi
  say "Python packages into $TOOLS/python ..."
  rm -rf "$TOOLS/python"
  python3 -m venv "$TOOLS/python"
  "$TOOLS/python/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$wanted"
  cp "$wanted" "$stamp"
}

install_kustomize() {
  local stamp=$TOOLS/kustomize.stamp
  if [[ -x $TOOLS/bin/kustomize && -f $stamp && $(<"$stamp") == "$KUSTOMIZE" ]]; then return; fi
  say "$KUSTOMIZE into $TOOLS/bin ..."
  GOBIN=$TOOLS/bin go install "$KUSTOMIZE"
  echo "$KUSTOMIZE" >"$stamp"
}

# Downloads a module, without building it, and says where its CRDs are.
find_crds() {
  local entry name module directory root
  for entry in "${CRDS[@]}"; do
    read -r name module directory <<<"$entry"
    root=$(go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    [[ -d $root/$directory ]] || die "$module has no directory $directory"
    export "QUOTA_CRDS_$name=$root/$directory"
  done
}

main() {
  if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    return
  fi
  need python3 "the tests are written in it"
  need go "kustomize is built with it"
  need promtool "it checks the alerts (Debian's package prometheus)"
  need redis-server "the nodes' scripts are tried with it"
  export QUOTA_BUILD_DIR=${QUOTA_BUILD_DIR:-$REPO/build/release}
  [[ -x $QUOTA_BUILD_DIR/quotactl && -x $QUOTA_BUILD_DIR/quotad ]] ||
    die "quotad and quotactl are not in $QUOTA_BUILD_DIR: build them first, with" \
      "cmake --preset release && cmake --build --preset release"
  mkdir -p "$TOOLS/bin"
  # Not in the middle of somebody else's installation.
  exec 9>"$TOOLS/lock"
  flock 9
  install_python
  install_kustomize
  find_crds
  flock -u 9
  export QUOTA_KUSTOMIZE=$TOOLS/bin/kustomize
  cd "$REPO/tests/k8s"
  "$TOOLS/python/bin/python" -m pytest -n 2 -p no:cacheprovider "$@"
}

main "$@"
