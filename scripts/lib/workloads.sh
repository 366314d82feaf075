# shellcheck shell=bash
# Waiting for what runs in the cluster, and for what went wrong with it. Wants lib/cluster.sh.

number() {
  if [[ $1 =~ ^[0-9]+$ ]]; then echo "$1"; else echo 0; fi
}

# rolled_out <Deployment|StatefulSet> <name>: for await. All pods are of the newest template and
# available, and none of another is left.
rolled_out() {
  local what="$1 $2" generation observed wanted total updated available stuck
  local paths='G:.metadata.generation,O:.status.observedGeneration,W:.spec.replicas'
  paths+=',T:.status.replicas,U:.status.updatedReplicas,A:.status.availableReplicas'
  paths+=',S:.status.conditions[?(@.reason=="ProgressDeadlineExceeded")].status'
  columns "${1,,} $2" "$paths" || return 1
  if [[ -z $answer ]]; then
    progress="$what does not exist"
    return 1
  fi
  read -r generation observed wanted total updated available stuck <<<"$answer"
  wanted=$(number "$wanted") total=$(number "$total") updated=$(number "$updated")
  available=$(number "$available")
  progress="$what: $available of $wanted pods ready"
  if (($(number "$observed") < $(number "$generation"))); then
    progress="$what: not looked at by its controller yet"
    return 1
  fi
  if [[ $stuck == False ]]; then
    progress+=", and Kubernetes has given up waiting$(worst_pod)"
    return 2
  fi
  if ((updated < wanted)); then progress+=", $updated of them new"; fi
  if ((total > updated)); then progress+=", $((total - updated)) old"; fi
  if ((updated < wanted || total > updated || available < wanted)); then
    progress+=$(worst_pod)
    return 1
  fi
}

# Why some pod does not run, as far as a look at the pods tells.
worst_pod() {
  local name reason
  local paths='N:.metadata.name,I:.status.initContainerStatuses[*].state.waiting.reason'
  paths+=',C:.status.containerStatuses[*].state.waiting.reason'
  paths+=',P:.status.conditions[?(@.type=="PodScheduled")].reason'
  columns pods "$paths" || return 0
  while read -r name reason; do
    if [[ $reason =~ (CrashLoopBackOff|ImagePullBackOff|ErrImagePull|InvalidImageName) ||
      $reason =~ (CreateContainerConfigError|CreateContainerError|Unschedulable) ]]; then
      printf '; pod %s: %s' "$name" "${BASH_REMATCH[1]}"
      return
    fi
  done <<<"$answer"
}

# volumes_bound <name of a StatefulSet>: for await. None is not there, and none waits.
volumes_bound() {
  local line pending=() count=0
  columns persistentvolumeclaims 'N:.metadata.name,P:.status.phase' || return 1
  while read -r line; do
    if [[ $line != *"$1-"[0-9]* ]]; then continue; fi
    count=$((count + 1))
    if [[ $line != *Bound ]]; then pending+=("${line%% *}"); fi
  done <<<"$answer"
  if ((${#pending[@]} > 0)); then
    progress="no volume yet for PersistentVolumeClaim ${pending[*]}"
    return 1
  fi
  if ((count == 0)); then
    progress="no PersistentVolumeClaim yet"
    return 1
  fi
}

# await_stateful_set <name>
await_stateful_set() {
  clues=("$(more describe persistentvolumeclaims)" "$(more describe statefulset "$1")"
    "$(more describe pods)" "$(more get events --sort-by=.lastTimestamp)")
  if grep -q '^  volumeClaimTemplates:' "$(files_of '*' StatefulSet "$1")"; then
    await "the volumes of StatefulSet $1" volumes_bound "$1"
  fi
  await "StatefulSet $1" rolled_out StatefulSet "$1"
}

# await_deployment <name>
await_deployment() {
  clues=("$(more rollout status "deployment/$1")" "$(more describe pods)"
    "$(more logs "deployment/$1" --all-containers --tail=50)")
  await "Deployment $1" rolled_out Deployment "$1"
}

# -- Jobs

job_state='F:.metadata.annotations.quotagate/fingerprint'
job_state+=',C:.status.conditions[?(@.type=="Complete")].status'
job_state+=',X:.status.conditions[?(@.type=="Failed")].status'

job_done() {
  local fingerprint complete failed
  columns "job $1" "$job_state" || return 1
  read -r fingerprint complete failed <<<"$answer" || true
  if [[ $failed == True ]]; then
    progress="Job $1 has failed"
    return 2
  fi
  progress="Job $1 runs"
  if [[ $complete != True ]]; then return 1; fi
  progress="Job $1 is done"
}

# fingerprint_of <file...>: of the files, and of the Secret with Kong's consumers, which is read
# together with them. Its version is enough, nobody has to see its contents.
fingerprint_of() {
  columns "secret kong-consumers" 'R:.metadata.resourceVersion' || answer=
  cat "$@" <(printf '%s' "$answer") | sha256
}

# run_job <name> <file> [file...]: runs it unless it has been done for exactly these files. A Job
# cannot be changed, so one for other files, or one that failed, makes room for a new one.
# $job_fingerprint says for which files.
job_fingerprint=
run_job() {
  local name=$1 file=$2 fingerprint='' complete='' failed=''
  shift
  job_fingerprint=$(fingerprint_of "$@")
  columns "job $name" "$job_state" || fail "Job $name cannot be looked at: $trouble"
  if [[ -n $answer ]]; then
    read -r fingerprint complete failed <<<"$answer"
    if [[ $fingerprint == "$job_fingerprint" && $complete == True ]]; then
      say "  Job $name has been done for this version."
      return
    fi
  fi
  if [[ $dry_run == yes ]]; then
    say "  would run Job $name and wait for its end"
    return
  fi
  if [[ -n $answer ]] && [[ $fingerprint != "$job_fingerprint" || $failed == True ]]; then
    ask delete job "$name" --cascade=foreground --wait=true ||
      fail "the Job $name of before cannot be deleted: $trouble"
    fingerprint=
  fi
  if [[ $fingerprint != "$job_fingerprint" ]]; then
    ask annotate --local -f "$file" "quotagate/fingerprint=$job_fingerprint" -o yaml ||
      fail "Job $name cannot be prepared: $trouble"
    ask create -f - <<<"$answer" || fail "Job $name cannot be created: $trouble"
  fi
  clues=("$(more logs "job/$name" --all-containers --tail=50)" "$(more describe job "$name")")
  await "Job $name" job_done "$name"
}
