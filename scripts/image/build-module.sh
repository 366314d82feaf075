#!/usr/bin/env bash
# Builds the module for one nginx and writes into a folder what an image takes.
#
#   scripts/image/build-module.sh [--tree DIR] FOLDER
#
#   --tree DIR   the configured source tree of the nginx that will load the module, or a build tree
#                of OpenResty or Kong with one inside; without it, that of Debian's nginx-dev
#
# FOLDER then holds ngx_http_quota_module.so, packages, the Debian packages that it needs, and
# built-for, which says which nginx that was.
set -euo pipefail
steps=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$steps/../lib/common.sh"

readonly MODULE=ngx_http_quota_module.so

# find_tree <dir>: the one configured nginx tree that it is or holds. OpenResty, and with it Kong,
# is configured in build/nginx-VERSION; bundle/nginx-VERSION beside it is what that was copied from.
find_tree() {
  local candidate found=() plain=()
  [[ -d $1 ]] || die "there is no folder '$1'; --tree wants a configured nginx source tree"
  for candidate in "$1" "$1"/build/nginx-[0-9]* "$1"/bundle/nginx-[0-9]* "$1"/nginx-[0-9]*; do
    if [[ -f $candidate/objs/ngx_auto_config.h && -f $candidate/src/core/nginx.h ]]; then
      found+=("$candidate")
    elif [[ -f $candidate/src/core/nginx.h ]]; then
      plain+=("$candidate")
    fi
  done
  if ((${#found[@]} == 1)); then
    (cd "${found[0]}" && pwd)
  elif ((${#found[@]} > 1)); then
    die "there are several configured nginx trees, give --tree one of them: ${found[*]}"
  elif ((${#plain[@]} > 0)); then
    die "${plain[0]} is not configured, so its objs/ngx_auto_config.h is missing. Give --tree the \
tree in which this nginx was built; docs/kong.md says where Kong's is"
  else
    die "there is no nginx source tree in '$1' (no src/core/nginx.h). For Kong give docker build \
--build-context kong-tree=DIR; docs/kong.md says which DIR"
  fi
}

# setting <tree> <macro>: the text that a macro of nginx.h stands for, macros inside resolved.
setting() {
  printf '#include "nginx.h"\n%s\n' "$2" |
    "${CC:-cc}" -E -P -I "$1/src/core" - | tail -n 1 | sed 's/" *"//g; s/^"//; s/"$//'
}

# Equal headers, equal structures: two releases with one fingerprint can share a module.
fingerprint() {
  (cd "$1" && find src -name '*.h' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c -16)
}

main() {
  local tree='' out='' options=()
  while (($# > 0)); do
    case $1 in
      -h | --help)
        usage
        return
        ;;
      --tree)
        tree=$(find_tree "${2:-}")
        shift
        ;;
      -*) die "unknown option '$1'; try --help" ;;
      *) out=$1 ;;
    esac
    shift
  done
  [[ -n $out ]] || die "say into which folder; --help tells how"
  options=(-DQUOTA_TESTS=OFF -DQUOTA_SERVICE=OFF "-DNGINX_SOURCE_DIR=$tree")

  cd "$REPO"
  cmake --preset release "${options[@]}"
  cmake --build --preset release --parallel "$(parallelism)" --target ngx_http_quota_module
  tree=${tree:-build/release/nginx-module/nginx}
  install -D --strip -m 644 -t "$out" "build/release/$MODULE"
  "$steps/runtime-packages.sh" "$out/$MODULE" >"$out/packages"
  printf 'nginx %s\nversion %s\nheaders %s\n' "$(setting "$tree" NGINX_VERSION)" \
    "$(setting "$tree" NGINX_VER)" "$(fingerprint "$tree")" >"$out/built-for"
  say "$MODULE is built for:"
  cat "$out/built-for"
}

main "$@"
