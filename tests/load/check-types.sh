#!/usr/bin/env bash
# Whether the k6 scripts use k6 as its published types say: names of options, executors, functions.
# It gets the types and the TypeScript compiler from npm, into a directory of its own.
#
#   tests/load/check-types.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$here/../../scripts/lib/common.sh"

case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
  '') ;;
  *) die "unknown argument '$1'; try --help" ;;
esac

command -v npm >/dev/null || die "npm is not installed: apt-get install npm"
dir=$(mktemp -d "${TMPDIR:-/tmp}/quota-types.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cp "$here"/*.js "$dir"
cd "$dir"
echo '{"type": "module", "private": true}' >package.json
npm install --silent --no-audit --no-fund @types/k6@2.3.0 typescript@5.9.3
npx tsc --noEmit --allowJs --checkJs --types k6 --target es2020 --module esnext \
  --moduleResolution bundler ./*.js
say "The k6 scripts are what k6's types say."
