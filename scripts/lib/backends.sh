# shellcheck shell=bash
# Moving all traffic to one of two backends. Wants lib/quotads.sh.
#
# Gateways of every kind send requests to the Services `api` and `api-v2`, so that is where traffic
# is moved: a Service gets the pods of the other one. Kong's targets would be one way with
# PostgreSQL, another without it (its Admin API only reads then), and plain nginx would need its own.
#
# Kubernetes leaves connections that exist with the pod that they were made to, and gateways keep
# theirs for long. So each gateway is told to reload afterwards: its old workers end what they have
# begun and close their connections, new ones connect anew.

readonly V1_SERVICE=api
readonly V2_SERVICE=api-v2

declare -A own_selector=() own_ports=() now_selector=()

# read_service <name>: what it says now, and what it said before it was moved.
read_service() {
  local name=$1 path selector ports kept_selector kept_ports
  path='jsonpath={.spec.selector}{"|"}{.spec.ports}'
  path+='{"|"}{.metadata.annotations.quotagate/own-selector}'
  path+='{"|"}{.metadata.annotations.quotagate/own-ports}'
  ask get service "$name" -o "$path" || fail "Service $name: $trouble" "$(more get services)"
  IFS='|' read -r selector ports kept_selector kept_ports <<<"$answer"
  if [[ $selector != '{"'* ]]; then
    fail "Service $name selects no pods, so its traffic cannot be moved here. Change where it\
 points to at its source." "$(more describe service "$name")"
  fi
  now_selector[$name]=$selector
  own_selector[$name]=${kept_selector:-$selector}
  own_ports[$name]=${kept_ports:-$ports}
}

# {"a":"b","c":"d"} -> a=b,c=d
as_labels() {
  tr -d '{}"' <<<"$1" | tr ':' '='
}

# backend_pods <service>: the pods that are its own, one a line, with Ready or not.
backend_pods() {
  columns pods 'N:.metadata.name,R:.status.conditions[?(@.type=="Ready")].status' \
    -l "$(as_labels "${own_selector[$1]}")" || fail "the pods of Service $1: $trouble"
}

# move <service> <service whose pods it gets> <word for it>
move() {
  local name=$1 source=$2 word=$3
  ask annotate service "$name" --overwrite "quotagate/own-selector=${own_selector[$name]}" \
    "quotagate/own-ports=${own_ports[$name]}" "quotagate/backend=$word" ||
    fail "Service $name cannot be changed: $trouble"
  ask patch service "$name" --type json -p "[
    {\"op\": \"replace\", \"path\": \"/spec/selector\", \"value\": ${own_selector[$source]}},
    {\"op\": \"replace\", \"path\": \"/spec/ports\", \"value\": ${own_ports[$source]}}]" ||
    fail "Service $name cannot be changed: $trouble" "$(more describe service "$name")"
  if [[ $word == both ]]; then
    ask annotate service "$name" quotagate/own-selector- quotagate/own-ports- quotagate/backend- ||
      fail "Service $name cannot be changed: $trouble"
  fi
  say "  Service $name: the pods of $source"
}

# points_to <service> <service whose pods it gets>: for await.
points_to() {
  local mine others
  backend_pods "$2"
  mine=$(awk '{ print $1 }' <<<"$answer")
  columns endpointslices 'P:.endpoints[*].targetRef.name' -l "kubernetes.io/service-name=$1" ||
    return 1
  others=$(tr -s ', ' '[\n*]' <<<"$answer" | grep -vx -e '' -e '<none>' |
    grep -vxF -f <(echo "$mine"))
  if [[ -n $others ]]; then
    progress="Service $1 still points to ${others//$'\n'/ }"
    return 1
  fi
  if ! grep -q '[a-z]' <<<"${answer//<none>/}"; then
    progress="Service $1 points to no pod"
    return 1
  fi
  progress="Service $1 points to the pods of $2 only"
}

# nginx, which Kong is too, is the first process of its container, and reloads on SIGHUP.
reload_gateway() {
  local container
  container=$(awk -v pod="$1" '$1 == pod { print $3 }' <<<"$pods")
  timeout "$(time_left)" kubectl --namespace "$namespace" exec "$1" -c "$container" -- \
    sh -c 'kill -HUP 1'
}

# all_reloaded: for await. None is told twice.
declare -A reloaded=()
all_reloaded() {
  local pod every count
  find_pods || return 1
  every=$pods
  pods=$(awk -v done=" ${!reloaded[*]} " '!index(done, " " $1 " ")' <<<"$every")
  in_each_pod reload_gateway
  troubled=
  for pod in $(pod_names); do
    if [[ $(code_of "$pod") == 0 ]]; then
      reloaded[$pod]=yes
    else
      troubled=$pod
    fi
  done
  pods=$every
  count=$(pod_count)
  progress="$count gateway pods have been told to connect anew"
  if [[ -n $troubled ]]; then
    progress="pod $troubled has not been told to connect anew: $(why_of "$troubled")"
    return 1
  fi
}

# backend <v1|v2|both>
backend() {
  local word=$1 name target1=$V1_SERVICE target2=$V2_SERVICE ready
  read_service "$V1_SERVICE"
  read_service "$V2_SERVICE"
  case $word in
    v1) target2=$V1_SERVICE ;;
    v2) target1=$V2_SERVICE ;;
  esac
  say "In namespace $namespace of $(context):"
  for name in "$V1_SERVICE" "$V2_SERVICE"; do
    say "  Service $name selects $(as_labels "${now_selector[$name]}")"
  done
  for name in $(printf '%s\n' "$target1" "$target2" | sort -u); do
    backend_pods "$name"
    ready=$(grep -c ' True$' <<<"$answer") || true
    say "  $ready pods of Service $name are ready ($(as_labels "${own_selector[$name]}"))"
    if ((ready == 0)); then
      fail "no pod of Service $name is ready, so its traffic would go nowhere" \
        "$(more get pods -l "$(as_labels "${own_selector[$name]}")")"
    fi
  done
  if [[ $dry_run == yes ]]; then
    say "Would point $V1_SERVICE to the pods of $target1, $V2_SERVICE to those of $target2."
    say "Nothing was changed."
    return
  fi
  confirm "Point $V1_SERVICE to the pods of $target1, and $V2_SERVICE to those of $target2?"

  SECONDS=0
  begin "moving traffic to backend $word" "${timeout:-30}"
  move "$V1_SERVICE" "$target1" "$word"
  move "$V2_SERVICE" "$target2" "$word"
  clues=("$(more get endpointslices)" "$(more describe services "$V1_SERVICE" "$V2_SERVICE")")
  await "Service $V1_SERVICE" points_to "$V1_SERVICE" "$target1"
  await "Service $V2_SERVICE" points_to "$V2_SERVICE" "$target2"
  clues=("$(more get pods)")
  await "the gateways" all_reloaded
  say "All traffic goes to backend $word, after $SECONDS s."
  if [[ $word != both ]]; then
    say "It lasts until: scripts/emergency.sh --namespace $namespace backend both"
  fi
}
