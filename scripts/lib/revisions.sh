# shellcheck shell=bash
# What was deployed before, to go back to. Wants lib/manifests.sh.
#
# A revision is a ConfigMap `quotagate-revision-N` with the gateway's objects as kustomize rendered
# them: Deployments, Services, autoscalers, NetworkPolicies, the policy, Kong's configuration; no
# Secrets, no databases. Going back is applying them. `kubectl rollout undo` knows only of the pods'
# template, and leaves what `kubectl apply` remembers of it wrong, so that the next deployment keeps
# fields that it should remove. Kubernetes finds the pods' template again in either case, and uses
# the ReplicaSet that it has kept of it.
#
# The label quotagate/state says: deploying, deployed, restoring, rolled-back.

readonly REVISIONS_KEPT=10
revisions= # lines of: number state content overlay time; newest first
revision=

list_revisions() {
  local paths='N:.metadata.labels.quotagate/revision,S:.metadata.labels.quotagate/state'
  paths+=',H:.metadata.annotations.quotagate/content,O:.metadata.annotations.quotagate/overlay'
  columns configmaps "$paths,T:.metadata.creationTimestamp" -l quotagate/revision ||
    fail "the revisions cannot be listed: $trouble"
  revisions=$(sort -rn <<<"$answer" | sed '/^$/d')
}

# newest_revision <state...>: the number of the newest one in one of these states, or nothing.
newest_revision() {
  awk -v states=" $* " 'index(states, " " $2 " ") { print $1; exit }' <<<"$revisions"
}

# state_of <number>
state_of() {
  awk -v number="$1" '$1 == number { print $2 }' <<<"$revisions"
}

# No volumes: nothing that holds data is ever taken back.
revision_files() {
  files_of network
  files_of gateway | grep -vxF -f <(files_of gateway PersistentVolumeClaim; echo none)
  files_of config
}

# record_revision <overlay>: before anything of it is changed. What is recorded already, as by a run
# that did not come to its end, is not recorded again.
record_revision() {
  local overlay=$1 files content newest known
  mapfile -t files < <(revision_files)
  content=$(join_files "${files[@]}" | sha256)
  list_revisions
  newest=$(newest_revision deploying deployed)
  known=$(awk -v number="$newest" '$1 == number { print $3 }' <<<"$revisions")
  if [[ $known == "$content" ]]; then
    revision=$newest
    return
  fi
  revision=$(($(awk 'NR == 1 { print $1 }' <<<"$revisions") + 1))
  if [[ $dry_run == yes ]]; then return; fi
  {
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n'
    printf '  name: quotagate-revision-%s\n' "$revision"
    printf '  labels: {app.kubernetes.io/part-of: quotagate, quotagate/state: deploying,\n'
    printf '    quotagate/revision: "%s"}\n' "$revision"
    printf '  annotations: {quotagate/content: "%s", quotagate/overlay: "%s"}\n' "$content" \
      "${overlay//[^-A-Za-z0-9_.\/]/_}"
    printf 'binaryData:\n  manifest.yaml.gz: %s\n' \
      "$(join_files "${files[@]}" | gzip -n | base64 -w 0)"
  } >"$scratch/revision.yaml"
  ask create -f "$scratch/revision.yaml" ||
    fail "revision $revision cannot be recorded: $trouble" "$(more get configmaps)"
}

# set_state <number> <state>
set_state() {
  ask label configmap "quotagate-revision-$1" --overwrite "quotagate/state=$2" ||
    fail "revision $1 cannot be marked as $2: $trouble"
}

# load_revision <number>: its objects become those of lib/manifests.sh.
load_revision() {
  ask get configmap "quotagate-revision-$1" -o 'jsonpath={.binaryData.manifest\.yaml\.gz}' ||
    fail "revision $1 cannot be read: $trouble"
  base64 -d <<<"$answer" | gzip -d >"$scratch/revision.yaml" ||
    fail "the ConfigMap quotagate-revision-$1 is damaged" \
      "$(more get configmap "quotagate-revision-$1" -o yaml)"
  take_apart "$scratch/revision.yaml"
}

# Forgets the oldest.
prune_revisions() {
  local old
  list_revisions
  mapfile -t old < <(awk -v kept="$REVISIONS_KEPT" \
    'NR > kept { print "quotagate-revision-" $1 }' <<<"$revisions")
  if ((${#old[@]} > 0)); then
    ask delete configmap "${old[@]}" || note "old revisions cannot be deleted: $trouble"
  fi
}
