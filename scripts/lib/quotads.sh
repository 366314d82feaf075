# shellcheck shell=bash
# The quotads of all gateway pods, each asked by the quotactl beside it. Wants lib/cluster.sh.

# Lines of: pod phase container (the first beside quotad, which is the gateway)
pods=

# find_pods: every pod with a container quotad, whatever else it is called. Those that are being
# stopped are in $leaving: they serve for a while, and may be gone at any moment.
leaving=
find_pods() {
  local paths='N:.metadata.name,P:.status.phase,D:.metadata.deletionTimestamp' all
  paths+=',I:.spec.initContainers[*].name,C:.spec.containers[*].name'
  columns pods "$paths" || return 1
  all=$(awk '$2 != "Succeeded" && $2 != "Failed" && ("," $4 "," $5 ",") ~ /,quotad,/ {
    split($5, containers, ",")
    for (i = 1; containers[i] == "quotad"; i++) {}
    print $1, $2, containers[i], $3
  }' <<<"$answer")
  pods=$(awk '$4 == "<none>"' <<<"$all")
  # shellcheck disable=SC2034
  leaving=$(awk 'NF && $4 != "<none>"' <<<"$all")
}

pod_names() {
  awk '{ print $1 }' <<<"$pods"
}

pod_count() {
  awk 'NF' <<<"$pods" | wc -l
}

# in_quotad <pod> <command>: standard input goes along.
in_quotad() {
  local pod=$1
  shift
  timeout "$(time_left)" kubectl --namespace "$namespace" exec -i "$pod" -c quotad -- "$@"
}

# quotactl <pod> <arguments>
quotactl() {
  local pod=$1
  shift
  in_quotad "$pod" quotactl "$@"
}

# privileged <pod> <arguments of quotactl>: with the admin token, which is where quotad has it. It
# does not leave the pod, so nobody here can see it, or needs to be allowed to read Secrets.
privileged() {
  local pod=$1
  shift
  # shellcheck disable=SC2016 # the shell in the pod expands it
  in_quotad "$pod" sh -c 'QUOTACTL_TOKEN=${QUOTAD_ADMIN_TOKEN:-} exec quotactl '\
'${QUOTAD_ADMIN_TOKEN_FILE:+--token-file "$QUOTAD_ADMIN_TOKEN_FILE"} "$@"' quotactl "$@"
}

# in_each_pod <function>: for all pods at once, as `function pod`. What it says for a pod is in
# $book/<pod>, its exit code in <pod>.code, its complaint in <pod>.why.
book=
in_each_pod() {
  local pod
  book=$scratch/$1
  mkdir -p "$book"
  for pod in $(pod_names); do
    {
      local code=0
      "$1" "$pod" >"$book/$pod" 2>"$book/$pod.why" </dev/null || code=$?
      echo "$code" >"$book/$pod.code"
    } &
  done
  wait
}

said_by() {
  cat "$book/$1"
}

code_of() {
  cat "$book/$1.code"
}

# Why a call in a pod failed, in one line. kubectl's own last words say only the exit code.
why_of() {
  local text
  text=$(grep -v '^command terminated with exit code' "$book/$1.why" | tail -n 1) || true
  if [[ -z $text ]]; then
    case $(code_of "$1") in
      124) text="no answer within the time limit" ;;
      *) text="exit code $(code_of "$1")" ;;
    esac
  fi
  echo "$text"
}

# member <name>: of a JSON object of quotactl, on standard input.
member() {
  sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\).*/\1/p" | head -n 1
}

ask_mode() {
  quotactl "$1" mode --json
}

ask_store() {
  quotactl "$1" consumer list --json
}

reload_policy() {
  privileged "$1" reload --json
}

# all_pods_answer <function>: for await. $troubled names the first that does not.
troubled=
all_pods_answer() {
  local pod count=0 all
  troubled=
  find_pods || return 1
  all=$(pod_count)
  in_each_pod "$1"
  for pod in $(pod_names); do
    if [[ $(code_of "$pod") == 0 ]]; then
      count=$((count + 1))
    elif [[ -z $troubled ]]; then
      troubled=$pod
    fi
  done
  progress="$count of $all quotads answer"
  if ((all == 0)); then
    progress="there is no pod with a quotad"
    return 1
  fi
  if [[ -n $troubled ]]; then
    progress+="; pod $troubled: $(why_of "$troubled")"
    return 1
  fi
}

# policy_in_force <hash>: for await. Every quotad has read its policy again, and it is that one.
# Until kubelet has brought the new file, quotad reads the old one; a new annotation makes kubelet
# look at once instead of within a minute or two.
policy_in_force() {
  local pod count=0 all
  find_pods || return 1
  all=$(pod_count)
  in_each_pod reload_policy
  troubled=
  for pod in $(pod_names); do
    if [[ $(code_of "$pod") == 0 && $(said_by "$pod" | member hash) == "$1" ]]; then
      count=$((count + 1))
    elif [[ -z $troubled ]]; then
      troubled=$pod
    fi
  done
  progress="policy $1 is in force in $count of $all pods"
  if ((all == 0)); then return 1; fi
  if [[ -n $troubled ]]; then
    if [[ $(code_of "$troubled") != 0 ]]; then progress+="; $troubled: $(why_of "$troubled")"; fi
    return 1
  fi
}

hasten_kubelet() {
  local names
  mapfile -t names < <(pod_names)
  if ((${#names[@]} == 0)); then return; fi
  ask annotate pod "${names[@]}" --overwrite "quotagate/refreshed=$(date +%s)" || true
}

# read_policy <file of the ConfigMap>: its text into $scratch/policy.yaml, byte by byte.
read_policy() {
  kubectl annotate --local -f "$1" quotagate/read=policy -o 'jsonpath={.data.policy\.yaml}' \
    >"$scratch/policy.yaml" 2>"$scratch/trouble" || fail "no policy: $(<"$scratch/trouble")"
  if [[ ! -s $scratch/policy.yaml ]]; then
    fail "the ConfigMap quota-policy has no key policy.yaml"
  fi
}

# check_policy <command that runs quotactl...>: of $scratch/policy.yaml. Its hash is in $answer.
check_policy() {
  if ! answer=$("$@" validate /dev/stdin --json <"$scratch/policy.yaml" 2>"$scratch/trouble"); then
    trouble=$(grep -v '^command terminated' "$scratch/trouble" | tail -n 1) || true
    fail "the policy is not valid: $(policy_faults <<<"$answer")$trouble" \
      "quotactl validate POLICY_FILE"
  fi
  answer=$(member hash <<<"$answer")
}

# What `validate --json` says, as policy.yaml:line:column: message.
policy_faults() {
  sed -n -e 's/^ *"line": \([0-9]*\),*$/\1/p' -e 's/^ *"column": \([0-9]*\),*$/\1/p' \
    -e 's/^ *"message": "\(.*\)",*$/\1/p' | paste -d : - - - |
    sed 's/^[0-9]*:[0-9]*:/policy.yaml:& /' | head -n 5
}
