# shellcheck shell=bash
# Background services of a script: each in a process group of its own, all stopped by stop_services.

service_names=()
service_pids=()

# start_service <name> <log> <command...>
# The kernel ends the service if the script dies without a chance to (kill -9).
start_service() {
  local name=$1 log=$2
  shift 2
  setsid setpriv --pdeathsig TERM "$@" >>"$log" 2>&1 </dev/null &
  service_names+=("$name")
  service_pids+=("$!")
}

is_running() {
  kill -0 "$1" 2>/dev/null
}

# wait_for <what> <log> <command...>: until the command succeeds. Fails when a service has died or
# after ten seconds, and shows the end of the log.
wait_for() {
  local what=$1 log=$2 pid attempt
  shift 2
  for ((attempt = 0; attempt < 200; attempt++)); do
    if "$@" >/dev/null 2>&1; then return; fi
    for pid in "${service_pids[@]}"; do
      is_running "$pid" || break 2
    done
    sleep 0.05
  done
  tail -n 20 "$log" >&2
  die "$what did not start; the end of its log is above."
}

# Stops the services in the reverse of the order they were started in: first asks, then forces.
stop_services() {
  local i pid attempt
  for ((i = ${#service_pids[@]} - 1; i >= 0; i--)); do
    pid=${service_pids[i]}
    kill -TERM "$pid" 2>/dev/null || true
    for ((attempt = 0; attempt < 100; attempt++)); do
      is_running "$pid" || break
      sleep 0.05
    done
    # Whatever is left of the group, the leader included.
    kill -KILL -- "-$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  service_names=()
  service_pids=()
}
