# shellcheck shell=bash
# Configuring and building with the presets of CMakePresets.json.

# run_logged <what> <log> <command...>: quiet unless it fails; then the end of the log is shown.
# The command runs in the background and in a group of its own, so that a signal to the script is
# acted on at once and takes the compilers along.
run_logged() {
  local what=$1 log=$2 status=0
  shift 2
  say "$what (log: $log) ..."
  setsid setpriv --pdeathsig TERM "$@" >"$log" 2>&1 &
  logged_pid=$!
  wait "$logged_pid" || status=$?
  logged_pid=
  if ((status != 0)); then
    tail -n 40 "$log" >&2
    die "$what failed (exit code $status). The whole log is $log"
  fi
}

# For the trap of the script: stops what run_logged runs.
stop_logged() {
  if [[ -n ${logged_pid:-} ]]; then
    # Just started, it has no group of its own yet.
    kill -TERM -- "-$logged_pid" 2>/dev/null || kill -TERM "$logged_pid" 2>/dev/null || true
    wait "$logged_pid" 2>/dev/null || true
  fi
}

# build <preset> [target...]: without targets, everything.
build() {
  local preset=$1 dir=$REPO/build/$1 targets=()
  shift
  if (($# > 0)); then targets=(--target "$@"); fi
  mkdir -p "$dir"
  cd "$REPO"
  if [[ ! -f $dir/build.ninja ]]; then
    run_logged "Configuring $preset" "$dir/configure.log" cmake --preset "$preset"
  fi
  run_logged "Building $preset" "$dir/build.log" cmake --build --preset "$preset" "${targets[@]}"
}
