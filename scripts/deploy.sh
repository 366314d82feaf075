#!/usr/bin/env bash
# Brings an overlay of k8s/overlays/ into a cluster, in six steps, each checked before the next.
#
#   scripts/deploy.sh [--namespace N] [--overlay O] [--dry-run] [--yes] [--timeout S]
#
#   --namespace N  where to; api-gateway unless said otherwise. It is created if it is not there
#   --overlay O    development, staging or production (the default), or the directory of another
#                  kustomization, such as ./k8s/nginx-gateway
#   --dry-run      asks the cluster, says what would be done, and changes nothing
#   --yes          does not ask before it changes something
#   --timeout S    how long one step may take, in seconds; 600 unless said otherwise. For one step
#                  only: QUOTA_STEP_4_TIMEOUT=1200 in the environment
#
#   1  Checks: versions, permissions, storage class, kinds, Redis and the policy. Changes nothing
#   2  Namespace, Secrets, network policies, PostgreSQL and its migrations
#   3  Redis with its Sentinels
#   4  The gateway (Kong or nginx) with quotad
#   5  The policy, and Kong's plugins and routes
#   6  Monitoring
#
# It goes to the cluster that kubectl talks to (kubectl config current-context). When a step fails,
# run it again after the cause is gone: what is done stays done. Secrets that are missing are
# created with random passwords; those that exist are never changed. What was deployed before is
# kept, see scripts/rollback.sh. Objects that an overlay no longer has are left in the cluster.
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
# shellcheck source=scripts/lib/checks.sh
source "$scripts/lib/checks.sh"

# The Secrets that are made here if they are missing, and the key that holds the password.
declare -rA OWN_SECRETS=([kong-postgres]=password [quota-redis]=password [quotad-admin]=token)

overlay=production
readonly STEPS=6
done_steps=()

parse_arguments() {
  while (($# > 0)); do
    if cluster_option "$@"; then
      shift "$taken"
      continue
    fi
    case $1 in
      --overlay)
        overlay=${2:-}
        shift
        ;;
      --overlay=*) overlay=${1#*=} ;;
      *) die "unknown option '$1'; try --help" ;;
    esac
    shift || true
  done
  if [[ -z $overlay ]]; then die "--overlay wants a name or a directory; try --help"; fi
}

# step <number> <title> <function>. The function says in $outcome what came of it.
outcome=
step() {
  local number=$1 title=$2 started=$SECONDS own=QUOTA_STEP_${1}_TIMEOUT
  say "Step $number of $STEPS: $title"
  begin "step $number of $STEPS ($title)" "${!own:-${timeout:-600}}"
  outcome='done'
  "$3"
  done_steps+=("$(printf '%s  %-22s %4d s  %s' "$number" "$title" $((SECONDS - started)) \
    "$outcome")")
}

after_failure() {
  local line
  if ((${#done_steps[@]} > 0)); then
    printf 'Done before that:\n'
    for line in "${done_steps[@]}"; do printf '  %s\n' "$line"; done
  fi
  if [[ $dry_run == yes ]]; then return; fi
  printf 'When the cause is gone, run the same command again: what is done stays done.\n'
}

# -- Step 1

check() {
  check_versions
  check_nodes
  render "$directory"
  check_permissions
  check_storage
  check_kinds
  check_foreign_secrets
  check_fallback
  if [[ -n $(files_of redis StatefulSet) ]]; then
    say "  Redis comes with this overlay, in step 3"
  elif grep -qE 'redis(-sentinel|-cluster)?://|rediss' "$scratch/rendered.yaml"; then
    note "the overlay uses a Redis that it does not bring; step 4 sees whether quotad reaches it."
  else
    note "no Redis in this overlay: each quotad counts by itself, so run one gateway pod only."
  fi
  if grep -qx 'kind: HorizontalPodAutoscaler' "$scratch/rendered.yaml" &&
    ask api-versions && ! grep -q '^metrics\.k8s\.io/' <<<"$answer"; then
    note "there is no metrics server (metrics.k8s.io), so the autoscaler does not scale by CPU."
  fi
  check_policy_here
  outcome="$(awk 'NF' <<<"$objects" | wc -l) objects in overlay $overlay"
}

# -- Step 2

# random_password: 192 bits that need no quoting anywhere.
random_password() {
  od -An -v -tx1 -N 24 /dev/urandom | tr -d ' \n'
}

# ensure_secret <name> <key>. What is created goes to kubectl's standard input, not into arguments,
# and `create` never replaces anything.
ensure_secret() {
  local name=$1 key=$2
  ask get secret "$name" --ignore-not-found \
    -o "go-template={{with .data}}{{if index . \"$key\"}}has {{end}}{{end}}exists" ||
    fail "Secret $name: $trouble"
  if [[ $answer == *exists* ]]; then
    if [[ $answer != has* ]]; then
      fail "the Secret $name exists, and has no key '$key'. It is not changed here." \
        "$(more describe secret "$name")"
    fi
    say "  Secret $name is there and stays as it is."
  elif [[ $dry_run == yes ]]; then
    say "  would create: Secret $name with a random $key"
  else
    {
      printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n' "$name"
      printf '  labels: {app.kubernetes.io/part-of: quotagate}\nstringData:\n  %s: "' "$key"
      random_password
      printf '"\n'
    } | ask_quietly create -f - || fail "Secret $name cannot be created: $trouble"
    say "  Secret $name is created with a random $key."
  fi
}

# In a pipeline, $answer and $trouble of `ask` would be those of a subshell.
ask_quietly() {
  timeout "$(time_left)" kubectl --namespace "$namespace" "$@" >/dev/null 2>"$scratch/trouble"
}

ensure_namespace() {
  if [[ -n $(files_of base Namespace) ]]; then return; fi
  ask get namespace "$namespace" -o name --ignore-not-found ||
    fail "the namespace $namespace cannot be looked at: $trouble"
  if [[ -n $answer ]]; then return; fi
  if [[ $dry_run == yes ]]; then
    say "  would create: Namespace $namespace"
    return
  fi
  ask create namespace "$namespace" || fail "namespace $namespace cannot be created: $trouble"
}

postgres() {
  local name files
  ensure_namespace
  mapfile -t files < <(files_of base)
  apply "namespace and accounts" "${files[@]}"
  mark_dbless
  record_revision "$overlay"
  for name in $(wanted_secrets); do
    if [[ -n ${OWN_SECRETS[$name]:-} ]]; then ensure_secret "$name" "${OWN_SECRETS[$name]}"; fi
  done
  create_missing secret
  mapfile -t files < <(files_of network)
  apply "network policies" "${files[@]}"

  if [[ -z $(files_of postgres) ]]; then
    outcome="no PostgreSQL in this overlay"
    say "  $outcome"
    return
  fi
  mapfile -t files < <(files_of postgres | grep -vxF -f <(files_of postgres Job; echo none))
  apply "PostgreSQL" "${files[@]}"
  for name in $(names_in postgres StatefulSet); do
    if [[ $dry_run == yes ]]; then
      say "  would wait for StatefulSet $name"
    else
      await_stateful_set "$name"
    fi
  done
  for name in $(names_in postgres Job); do
    run_job "$name" "$(files_of postgres Job "$name")"
  done
  outcome="PostgreSQL is up to date"
}

# create_missing <section> [kind]: and leaves alone what is there.
create_missing() {
  local file kind name
  for file in $(files_of "$@"); do
    read -r kind name < <(awk -v file="$file" '$5 == file { print $2, $3 }' <<<"$objects")
    ask get "${kind,,}" "$name" -o name --ignore-not-found || fail "$kind $name: $trouble"
    if [[ -z $answer ]]; then apply "$kind $name" "$file"; fi
  done
}

# -- Step 3

redis() {
  local name files
  if [[ -z $(files_of redis) ]]; then
    outcome="no Redis in this overlay"
    say "  $outcome"
    return
  fi
  mapfile -t files < <(files_of redis)
  apply "Redis" "${files[@]}"
  for name in $(names_in redis StatefulSet); do
    if [[ $dry_run == yes ]]; then
      say "  would wait for StatefulSet $name and its Sentinels"
      continue
    fi
    await_stateful_set "$name"
    if grep -q '^ *name: sentinel$' "$(files_of redis StatefulSet "$name")"; then
      clues=("$(more logs "$name-0" -c sentinel --tail=50)")
      await "the Sentinels of $name" sentinels_agree "$name-0"
    fi
  done
  outcome="Redis is up to date"
}

# sentinels_agree <pod>: enough of them see each other to move the primary when it is lost. The
# password is read where it is, in the pod.
sentinels_agree() {
  local status=0
  # shellcheck disable=SC2016 # the shell in the pod expands it
  ask exec "$1" -c sentinel -- sh -c 'REDISCLI_AUTH=$(cat "$QUOTA_REDIS_PASSWORD") '\
'exec redis-cli -p 26379 sentinel ckquorum quota' || status=$?
  progress="Sentinel says: ${answer:-$trouble}"
  [[ $status == 0 && $answer == OK* ]]
}

# -- Step 4

gateway() {
  local name files
  # Pods do not start without them. What exists is changed in step 5, after the gateway: only a new
  # quotad may understand a new policy.
  if [[ $dry_run == no ]]; then create_missing config ConfigMap; fi
  if is_dbless; then
    mapfile -t files < <(files_of config ConfigMap kong-config)
    apply "Kong's configuration" "${files[@]}"
  fi
  keep_replicas
  keep_mark
  mapfile -t files < <(files_of gateway)
  apply "gateway" "${files[@]}"
  for name in $(names_in gateway Deployment); do
    if [[ $dry_run == yes ]]; then
      say "  would wait for Deployment $name"
    else
      await_deployment "$name"
    fi
  done
  if [[ $dry_run == yes ]]; then
    say "  would ask the quotad of each pod, and whether it reaches its store"
    return
  fi
  clues=("$(more get pods)" "$(more logs deployment/kong -c quotad --tail=50)")
  await "asking every quotad" all_pods_answer ask_mode
  modes=$(overridden_modes)
  if [[ -n $modes ]]; then note "the mode is overridden: $modes (scripts/emergency.sh policy)"; fi
  await "asking every quotad for what its store holds" all_pods_answer ask_store
  outcome="$(pod_count) pods, each with a quotad that answers"
}

# With a database Kong's pods start anew in step 5, after the import, not here for lack of a mark.
keep_mark() {
  local file
  file=$(files_of gateway Deployment kong)
  if [[ -z $file ]] || is_dbless; then return; fi
  kong_mark
  if [[ $answer != "<none>" && -n $answer ]]; then mark_template "$file" "$answer"; fi
}

kong_mark() {
  columns "deployment kong" 'M:.spec.template.metadata.annotations.quotagate/kong-config' ||
    fail "Deployment kong: $trouble"
}

overridden_modes() {
  local pod
  for pod in $(pod_names); do
    if [[ $(said_by "$pod" | member source) == override ]]; then
      said_by "$pod" | member mode
    fi
  done | sort -u | paste -s -d ' '
}

# -- Step 5

configuration() {
  local name files hash=''
  if [[ -z $(files_of config) ]]; then
    outcome="no policy and no plugins in this overlay"
    say "  $outcome"
    return
  fi
  if [[ -n $(policy_file) && $dry_run == no ]]; then
    read_policy "$(policy_file)"
    find_pods || fail "the gateway's pods cannot be listed: $trouble"
    check_policy quotactl "$(awk '$2 == "Running" { print $1; exit }' <<<"$pods")"
    hash=$answer
  fi
  mapfile -t files < <(files_of config ConfigMap)
  apply "policy and plugins" "${files[@]}"
  if [[ -n $hash ]]; then
    clues=("$(more logs "$(pod_names | head -n 1)" -c quotad --tail=50)")
    hasten_kubelet
    await "the new policy" policy_in_force "$hash"
    outcome="policy $hash in every pod"
  elif [[ -n $(policy_file) ]]; then
    say "  would wait until every quotad has the policy"
  fi
  for name in $(names_in config Job); do
    run_job "$name" "$(files_of config Job "$name")" "$(files_of config ConfigMap kong-config)"
    restart_kong "$job_fingerprint"
  done
  if [[ $dry_run == yes ]]; then return; fi
  set_state "$revision" deployed
  prune_revisions
}

# restart_kong <mark>: with what the import has brought, unless it runs with that already.
restart_kong() {
  local file
  file=$(files_of gateway Deployment kong)
  kong_mark
  if [[ -z $file || $answer == "$1" ]]; then return; fi
  if [[ $dry_run == yes ]]; then
    say "  would start Kong's pods anew with it, one after the other"
    return
  fi
  mark_template "$file" "$1"
  apply "Kong, which starts anew with it" "$file"
  await_deployment kong
}

# -- Step 6

monitoring() {
  local files
  mapfile -t files < <(files_of monitoring)
  if ((${#files[@]} == 0)); then
    outcome="no monitoring in this overlay"
    say "  $outcome"
    return
  fi
  apply "monitors, alerts and dashboards" "${files[@]}"
  if [[ $dry_run == yes ]]; then return; fi
  ask get -f - -o name < <(join_files "${files[@]}") ||
    fail "not all of it is in the cluster: $trouble" "$(more get podmonitors,prometheusrules)"
  outcome="${#files[@]} objects"
}

# -- Around them

summary() {
  local line service address
  say ""
  if [[ $dry_run == yes ]]; then
    say "Nothing was changed. The differences to what runs: kubectl diff -k $directory"
    return
  fi
  say "Overlay $overlay is in namespace $namespace of $(context), as revision $revision:"
  for line in "${done_steps[@]}"; do say "  $line"; done
  for line in "${notes[@]}"; do say "  Note: $line"; done
  service=$(awk '$2 == "Service" && $1 == "gateway" && $3 ~ /^(kong-proxy|nginx-gateway)$/ {
    print $3; exit }' <<<"$objects")
  if [[ -n $service ]]; then
    begin "asking for the gateway's address" 10
    columns "service $service" \
      'I:.status.loadBalancer.ingress[*].ip,H:.status.loadBalancer.ingress[*].hostname' || answer=
    address=$(tr ' ' '\n' <<<"$answer" | grep -vx -e '<none>' -e '' | head -n 1) || true
    if [[ -n $address ]]; then
      say "The gateway: curl -i http://$address/health"
    else
      say "The gateway has no address yet: $(more get service "$service" --watch)"
    fi
  fi
  say "The way back: scripts/rollback.sh --namespace $namespace"
}

main() {
  parse_arguments "$@"
  need_kubectl
  directory=$(overlay_directory "$overlay")
  make_scratch

  step 1 "checks" check
  confirm "Deploy overlay $overlay to namespace $namespace of $(context)?"
  step 2 "PostgreSQL" postgres
  step 3 "Redis" redis
  step 4 "gateway and quotad" gateway
  step 5 "plugins and policy" configuration
  step 6 "monitoring" monitoring
  summary
}

main "$@"
