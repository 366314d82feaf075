#!/usr/bin/env bash
# Looks for faults without running anything: formatting, clang-tidy, shellcheck.
#
#   scripts/lint.sh [--fix] [file...]
#
#   --fix    rewrites C++ files to the format instead of complaining
#   file...  only these C++ files
#
# All that is found is shown; the exit code is 1 if anything was.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$scripts/lib/common.sh"
# shellcheck source=scripts/lib/build.sh
source "$scripts/lib/build.sh"

fix=no
files=()
failed=()

parse_arguments() {
  while (($# > 0)); do
    case $1 in
      --fix) fix=yes ;;
      -h | --help)
        usage
        exit 0
        ;;
      -*) die "unknown option '$1'; try --help" ;;
      *) files+=("$(realpath --relative-to="$REPO" "$1")") ;;
    esac
    shift
  done
}

# check <what> <command...>
check() {
  local what=$1 started=$SECONDS
  shift
  say "$what ..."
  if "$@"; then
    say "$what: clean ($((SECONDS - started)) s)"
  else
    failed+=("$what")
  fi
}

# New files count as soon as they exist, ignored ones never.
sources() {
  if ((${#files[@]} > 0)); then
    printf '%s\n' "${files[@]}"
  else
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
      if [[ -f $file ]]; then echo "$file"; fi
    done
  fi
}

check_format() {
  local options=(--dry-run -Werror)
  if [[ $fix == yes ]]; then options=(-i); fi
  sources '*.cc' '*.h' | xargs -r clang-format "${options[@]}"
}

# Only what is compiled here; generated code lies in the build tree and is left out. So are tests:
# their macros make findings of their own, and they are half of all there is to read.
check_tidy() {
  local compiled=() file
  while read -r file; do
    if grep -qF "\"file\": \"$REPO/$file\"" build/release/compile_commands.json; then
      compiled+=("^$REPO/$file\$")
    fi
  done < <(sources '*.cc' | grep -v '_test\.cc$')
  if ((${#compiled[@]} == 0)); then
    say "None of these files is compiled."
    return
  fi
  # gcc compiles, clang-tidy reads its flags: what clang does not know is no finding.
  run-clang-tidy -quiet -p build/release -j "$(parallelism)" \
    -header-filter="^$REPO/(quota-service|nginx-module|bench)/" \
    -extra-arg=-Wno-unknown-warning-option \
    "${compiled[@]}" >build/release/clang-tidy.log 2>&1 ||
    {
      grep -vE '^(clang-tidy|/usr/.*/clang-tidy)|warnings (generated|treated)|^Suppressed|^Use -' \
        build/release/clang-tidy.log
      return 1
    }
}

# Every file with a shell's shebang line, and the libraries as part of the scripts that use them.
check_shell() {
  local found=()
  mapfile -t found < <(git grep -lE --untracked '^#!.*\b(ba)?sh$' -- scripts .ci bench k8s tests)
  shellcheck --external-sources --check-sourced --source-path="$REPO" "${found[@]}"
}

main() {
  parse_arguments "$@"
  trap stop_logged EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  "$scripts/deps.sh" build lint
  cd "$REPO"

  check "clang-format" check_format
  if ((${#files[@]} == 0)); then check "shellcheck" check_shell; fi
  # For compile_commands.json and the generated headers.
  build release quota_proto quota_store_texts quota_admin_texts
  check "clang-tidy" check_tidy

  if ((${#failed[@]} > 0)); then
    die "faults found by: ${failed[*]}"
  fi
}

main "$@"
