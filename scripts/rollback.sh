#!/usr/bin/env bash
# Takes the gateway back to what scripts/deploy.sh had deployed before: pods, policy, Kong's
# configuration, network policies and Services, within 30 seconds.
#
#   scripts/rollback.sh [--namespace N] [--to R] [--list] [--dry-run] [--yes] [--timeout S]
#
#   --namespace N  where; api-gateway unless said otherwise
#   --to R         to revision R instead of the one before
#   --list         shows the revisions that are kept, and ends
#   --dry-run      says what would be done, and changes nothing
#   --yes          does not ask before it changes something
#   --timeout S    how long it may take, in seconds; 30 unless said otherwise
#
# The policy and the pods are changed at once, and all pods at the same time instead of one after
# the other. If it does not come to its end, run it again: it goes on to the same revision. What it
# leaves alone: Secrets, PostgreSQL and its tables, Redis and what it counts, monitoring, the mode
# (scripts/emergency.sh). Kong's import adds and changes, and deletes nothing: what only the newer
# configuration had stays in PostgreSQL.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$scripts/lib/common.sh"
# shellcheck source=scripts/lib/cluster.sh
source "$scripts/lib/cluster.sh"
# shellcheck source=scripts/lib/manifests.sh
source "$scripts/lib/manifests.sh"
# shellcheck source=scripts/lib/workloads.sh
source "$scripts/lib/workloads.sh"
# shellcheck source=scripts/lib/quotads.sh
source "$scripts/lib/quotads.sh"
# shellcheck source=scripts/lib/revisions.sh
source "$scripts/lib/revisions.sh"

to=
list=no

parse_arguments() {
  while (($# > 0)); do
    if cluster_option "$@"; then
      shift "$taken"
      continue
    fi
    case $1 in
      --list) list=yes ;;
      --to)
        to=${2:-}
        shift
        if [[ -z $to ]]; then die "--to wants the number of a revision; try --list"; fi
        ;;
      --to=*) to=${1#*=} ;;
      *) die "unknown option '$1'; try --help" ;;
    esac
    shift || true
  done
  if [[ -n $to && ! $to =~ ^[1-9][0-9]{0,8}$ ]]; then
    die "--to wants the number of a revision, not '$to'; try --list"
  fi
}

after_failure() {
  if [[ $dry_run == yes || -z $target ]]; then return; fi
  printf 'Run it again to go on: it is on its way to revision %s.\n' "$target"
}

print_revisions() {
  {
    echo "REVISION STATE OVERLAY RECORDED"
    awk '{ print $1, $2, $4, $5 }' <<<"$revisions"
  } | awk '{ printf "%-9s %-12s %-14s %s\n", $1, $2, $3, $4 }'
}

# The revision that was meant before, if a rollback was interrupted; the one that was asked for; or
# the last good one before the newest.
target=
newest=
choose_target() {
  newest=$(newest_revision deploying deployed restoring)
  if [[ -z $newest ]]; then
    fail "there are no revisions in namespace $namespace; scripts/deploy.sh makes them" \
      "$(more get configmaps -l quotagate/revision)"
  fi
  target=$to
  if [[ -z $target ]]; then target=$(newest_revision restoring); fi
  if [[ -z $target && $(state_of "$newest") == deploying ]]; then
    target=$(newest_revision deployed)
  fi
  if [[ -z $target ]]; then
    target=$(awk -v newest="$newest" '$1 < newest && $2 == "deployed" { print $1; exit }' \
      <<<"$revisions")
  fi
  if [[ -z $target ]]; then
    fail "revision $newest is the only one; there is nothing to go back to" "$0 --list"
  fi
  case $(state_of "$target") in
    '') fail "there is no revision $target" "$0 --list" ;;
    deploying) fail "revision $target was never deployed to its end" "$0 --list" ;;
  esac
}

# What the newer revision has and the older one has not, as kind/name. ConfigMaps stay: pods that
# are about to end may still read them.
added=()
find_added() {
  local before
  load_revision "$newest"
  before=$(awk '$2 != "ConfigMap" && $2 != "Job" { print $2 "/" $3 }' <<<"$objects")
  load_revision "$target"
  mapfile -t added < <(grep -vxF -f <(awk '{ print $2 "/" $3 }' <<<"$objects") <<<"$before" |
    sed '/^$/d')
}

# All new pods at once, and each of use as soon as it is ready. This is not part of the pods'
# template; applying the Deployment once more puts it back.
hurry() {
  ask patch deployment "$1" --type merge -p '{"spec": {"minReadySeconds": 0,
    "strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}}}}' ||
    note "pods of Deployment $1 are replaced one after the other: $trouble"
}

is_rolling() {
  grep -qx '    type: RollingUpdate' "$1" || ! grep -q '^  strategy:' "$1"
}

restore() {
  local name file files hash='' policy
  policy=$(awk '$2 == "ConfigMap" && $3 ~ /^quota-policy/ { print $5 }' <<<"$objects")
  find_pods || fail "the gateway's pods cannot be listed: $trouble"
  set_state "$target" restoring

  mapfile -t files < <(files_of config ConfigMap)
  apply "policy and plugins" "${files[@]}"
  hasten_kubelet
  for name in $(names_in config Job); do
    run_job "$name" "$(files_of config Job "$name")" "$(files_of config ConfigMap kong-config)"
    file=$(files_of gateway Deployment kong)
    if [[ -n $file ]]; then mark_template "$file" "$job_fingerprint"; fi
  done
  keep_replicas
  mapfile -t files < <(files_of network && files_of gateway)
  apply "gateway" "${files[@]}"
  for name in $(names_in gateway Deployment); do
    file=$(files_of gateway Deployment "$name")
    if is_rolling "$file"; then hurry "$name"; fi
  done

  for name in $(names_in gateway Deployment); do await_deployment "$name"; done
  if [[ -n $policy ]]; then
    read_policy "$policy"
    find_pods || fail "the gateway's pods cannot be listed: $trouble"
    check_policy quotactl "$(awk '$2 == "Running" { print $1; exit }' <<<"$pods")"
    hash=$answer
    clues=("$(more get pods)" "$(more get configmap quota-policy -o yaml)")
    await "the policy of before" policy_in_force "$hash"
  fi

  mapfile -t files < <(files_of gateway Deployment)
  apply "strategy of the Deployments" "${files[@]}"
  if ((${#added[@]} > 0)); then
    ask delete "${added[@]}" --ignore-not-found ||
      fail "what only revision $newest has cannot be deleted: $trouble"
    say "  deleted: ${added[*]}"
  fi
}

finish() {
  local number newer
  mapfile -t newer < <(awk -v target="$target" \
    '$1 > target && $2 != "rolled-back" { print $1 }' <<<"$revisions")
  for number in "${newer[@]}"; do set_state "$number" rolled-back; done
  set_state "$target" deployed
}

main() {
  parse_arguments "$@"
  need_kubectl
  make_scratch
  begin "looking for revisions" "${timeout:-30}"
  list_revisions
  if [[ $list == yes ]]; then
    print_revisions
    return
  fi
  choose_target
  find_added
  say "From revision $newest ($(state_of "$newest")) to revision $target in namespace $namespace:"
  awk '{ print "  " $2 "/" $3 }' <<<"$objects"
  if ((${#added[@]} > 0)); then say "To be deleted: ${added[*]}"; fi
  if [[ $dry_run == yes ]]; then
    say "Nothing was changed."
    return
  fi
  confirm "Go back to revision $target in namespace $namespace of $(context)?"

  SECONDS=0
  begin "going back to revision $target" "${timeout:-30}"
  restore
  finish
  say "Revision $target is back after $SECONDS s. Tell whoever deploys: the next scripts/deploy.sh \
brings whatever its overlay says then."
}

main "$@"
