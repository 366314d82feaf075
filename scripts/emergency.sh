#!/usr/bin/env bash
# For bad days: switches limits off at all gateways at once, or moves all traffic to one backend.
#
#   scripts/emergency.sh shadow | off | enforce | policy  [options]
#   scripts/emergency.sh backend v1 | v2 | both           [options]
#
#   shadow         nobody is refused, everything is counted and reported
#   off            nobody is refused and nothing is counted
#   enforce        limits hold, whatever the policy says
#   policy         back to what the policy says
#   backend v1     all traffic to the pods of Service api, also that of api-v2
#   backend v2     all traffic to the pods of Service api-v2, also that of api
#   backend both   each Service to its own pods again
#
#   --namespace N  where; api-gateway unless said otherwise
#   --dry-run      says how things are and what would be done, and changes nothing
#   --yes          does not ask before it changes something
#   --timeout S    how long it may take, in seconds; 30 unless said otherwise
#
# A mode is set in every pod, and then every pod is asked for it: with Redis the pods share it, with
# the embedded store each has its own. Where the store does not answer, the pod is told to do it for
# itself. It ends with 1 and a list if some pod did not follow. It lasts until `policy`.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$scripts/lib/common.sh"
# shellcheck source=scripts/lib/cluster.sh
source "$scripts/lib/cluster.sh"
# shellcheck source=scripts/lib/quotads.sh
source "$scripts/lib/quotads.sh"
# shellcheck source=scripts/lib/backends.sh
source "$scripts/lib/backends.sh"

action=
target=

parse_arguments() {
  local words=()
  while (($# > 0)); do
    if cluster_option "$@"; then
      shift "$taken"
      continue
    fi
    case $1 in
      -*) die "unknown option '$1'; try --help" ;;
      *) words+=("$1") ;;
    esac
    shift
  done
  action=${words[0]:-}
  target=${words[1]:-}
  case $action in
    shadow | off | enforce | policy)
      if ((${#words[@]} != 1)); then die "'$action' takes nothing after it; try --help"; fi
      ;;
    backend)
      if [[ ! $target =~ ^(v1|v2|both)$ ]] || ((${#words[@]} != 2)); then
        die "'backend' wants v1, v2 or both; try --help"
      fi
      ;;
    '') die "say what to do: shadow, off, enforce, policy or backend; try --help" ;;
    *) die "'$action' is none of shadow, off, enforce, policy and backend; try --help" ;;
  esac
}

# follows <pod>: whether what the pod says of its mode is what is wanted.
follows() {
  local key=mode wanted=$action
  [[ $(code_of "$1") == 0 ]] || return 1
  if [[ $action == policy ]]; then key=source; fi
  [[ $(said_by "$1" | member "$key") == "$wanted" ]]
}

# set_mode <pod>: for all quotads of its store; where that cannot be, for this one.
set_mode() {
  local code=0
  privileged "$1" mode "$action" --json || code=$?
  if ((code == 0 || code == 4)); then return "$code"; fi
  privileged "$1" mode "$action" --local --json
}

# all_follow: for await. Pods that are new since the last look are told, too.
laggards=()
all_follow() {
  local pod waiting=$pods every
  laggards=()
  find_pods || return 1
  every=$pods
  in_each_pod ask_mode
  for pod in $(pod_names); do
    if ! follows "$pod"; then laggards+=("$pod"); fi
  done
  progress="$(($(pod_count) - ${#laggards[@]})) of $(pod_count) pods follow"
  if [[ $every == "$waiting" && ${#laggards[@]} == 0 ]]; then return 0; fi
  if ((${#laggards[@]} > 0)); then
    pods=$(grep -F -f <(printf '%s \n' "${laggards[@]}") <<<"$every")
    in_each_pod set_mode
    book=$scratch/ask_mode
    pods=$every
  fi
  return 1
}

# What every pod says, whatever is wanted.
report_modes() {
  local pod
  for pod in $(pod_names); do
    if [[ $(code_of "$pod") == 0 ]]; then
      say "  $pod: $(said_by "$pod" | member mode), by $(said_by "$pod" | member source)"
    else
      say "  $pod: does not answer; $(why_of "$pod")"
    fi
  done
}

# The table of all pods, and of those that did not follow.
report() {
  local pod phase rest scope
  while read -r pod phase rest; do
    if follows "$pod"; then
      scope=$(said_by "$pod" | member scope)
      say "  $pod: $(said_by "$pod" | member mode)$(
        if [[ $scope == local ]]; then echo " (this pod only, until it restarts)"; fi
      )"
    else
      say "  $pod: NOT $action; $phase; $(why_not "$pod")"
    fi
  done <<<"$pods"
}

why_not() {
  local text
  if [[ $(code_of "$1") == 0 ]]; then
    text="it says $(said_by "$1" | member mode)"
    if [[ -s $scratch/set_mode/$1.why ]]; then
      text+=", $(sed '/^command terminated/d' "$scratch/set_mode/$1.why" | tail -n 1)"
    fi
    echo "$text"
  else
    why_of "$1"
  fi
}

# Replaces what await would say: the pods themselves are what counts here.
after_failure() {
  if ((${#laggards[@]} == 0)); then return; fi
  report
  printf '%s of %s pods did not follow. Run it again; or take such a pod out of service with:\n' \
    "${#laggards[@]}" "$(pod_count)"
  printf '  %s\n' "$(more delete pod "${laggards[@]}")"
}

mode() {
  local every
  find_pods || fail "the pods cannot be listed: $trouble" "$(more get pods)"
  if [[ -z $pods ]]; then
    fail "no pod in namespace $namespace has a container quotad" "$(more get pods)"
  fi
  say "$(pod_count) pods in namespace $namespace of $(context) have a quotad:"
  if [[ $dry_run == yes ]]; then
    in_each_pod ask_mode
    report_modes
    say "Nothing was changed."
    return
  fi
  pod_names | sed 's/^/  /'
  confirm "Set the mode of all of them to '$action'?"

  SECONDS=0
  begin "setting the mode to $action" "${timeout:-30}"
  every=$pods
  pods+=$'\n'$leaving
  in_each_pod set_mode
  pods=$every
  clues=("$(more get pods)")
  await "the mode" all_follow
  report
  say "All $(pod_count) pods follow, after $SECONDS s."
  if [[ $action != policy ]]; then
    say "It lasts until: scripts/emergency.sh --namespace $namespace policy"
  fi
}

main() {
  parse_arguments "$@"
  need_kubectl
  make_scratch
  begin "looking at namespace $namespace" "${timeout:-30}"
  if [[ $action == backend ]]; then
    backend "$target"
  else
    mode
  fi
}

main "$@"
