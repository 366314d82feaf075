# shellcheck shell=bash
# What has to be so before anything is deployed. Nothing here changes anything. Wants
# lib/manifests.sh.

readonly OLDEST_CLIENT=21 # 1.21: kustomize Components
readonly OLDEST_SERVER=29 # 1.29: sidecars as init containers that stay

# minor_version <which>: of `kubectl version -o json` in $answer; which is client or server.
minor_version() {
  awk -v block="\"$1Version\"" 'index($0, block) { inside = 1 }
    inside && /"minor"/ { gsub(/[^0-9]/, ""); print; exit }' <<<"$answer"
}

check_versions() {
  local client server status=0
  ask version -o json || status=$?
  client=$(minor_version client)
  server=$(minor_version server)
  if [[ -z $client ]]; then fail "kubectl does not say its version: $trouble" "kubectl version"; fi
  if ((client < OLDEST_CLIENT)); then
    fail "this kubectl is version 1.$client; kustomize Components need 1.$OLDEST_CLIENT or newer." \
      "kubectl version --client"
  fi
  if ((status != 0)) || [[ -z $server ]]; then
    fail "the cluster does not answer: $trouble" "kubectl cluster-info"
  fi
  if ((server < OLDEST_SERVER)); then
    fail "the cluster is version 1.$server. quotad runs as a native sidecar, which needs\
 1.$OLDEST_SERVER or newer." "kubectl version"
  fi
  say "  cluster 1.$server, kubectl 1.$client"
}

# kubelets may be older than the API, and it is they who run sidecars.
check_nodes() {
  local name version old=()
  if ! columns nodes 'N:.metadata.name,V:.status.nodeInfo.kubeletVersion'; then
    note "the nodes cannot be listed, so nobody knows if all are 1.$OLDEST_SERVER or newer."
    return
  fi
  while read -r name version; do
    if [[ $version =~ ^v1\.([0-9]+) ]] && ((BASH_REMATCH[1] < OLDEST_SERVER)); then
      old+=("$name ($version)")
    fi
  done <<<"$answer"
  if ((${#old[@]} > 0)); then
    fail "these nodes are older than 1.$OLDEST_SERVER and cannot run sidecars: ${old[*]}" \
      "kubectl get nodes"
  fi
}

check_permissions() {
  local what
  for what in "create deployments.apps" "create secrets" "create configmaps" "create pods/exec"; do
    # shellcheck disable=SC2086
    if ! ask auth can-i $what; then
      fail "you may not $what in namespace $namespace of $(context). ${trouble}" \
        "$(more auth can-i --list)"
    fi
  done
}

# StorageClass by name, or the default one.
check_storage() {
  local file class known='' default=''
  local -A wanted=()
  for file in $(files_of '*' StatefulSet) $(files_of '*' PersistentVolumeClaim); do
    while read -r class; do wanted[$class]=yes; done < <(storage_classes "$file")
  done
  if ((${#wanted[@]} == 0)); then
    say "  no storage wanted"
    return
  fi
  local paths='N:.metadata.name'
  paths+=',D:.metadata.annotations.storageclass\.kubernetes\.io/is-default-class'
  columns storageclasses "$paths" || fail "the storage classes cannot be listed: $trouble"
  known=$(awk '{ print $1 }' <<<"$answer")
  default=$(awk '$2 == "true" { print $1; exit }' <<<"$answer")
  for class in "${!wanted[@]}"; do
    if [[ $class == default && -z $default ]]; then
      fail "no StorageClass is the default one, and the databases' volumes name none. There are:\
 ${known//$'\n'/ }. Mark one with: kubectl annotate storageclass NAME\
 storageclass.kubernetes.io/is-default-class=true" "kubectl get storageclasses"
    elif [[ $class != default ]] && ! grep -qxF "$class" <<<"$known"; then
      fail "there is no StorageClass $class, which a volume wants. There are: ${known//$'\n'/ }" \
        "kubectl get storageclasses"
    fi
  done
  say "  storage class ${default:-${!wanted[*]}}"
}

# The classes that a file's claims name; `default` for claims that name none.
storage_classes() {
  awk '
    function finish() { if (claims) print class == "" ? "default" : class; class = "" }
    /^kind: PersistentVolumeClaim/ { claims = 1 }
    /^  volumeClaimTemplates:/ { in_templates = 1; next }
    in_templates && /^  [a-zA-Z]/ { finish(); claims = in_templates = 0 }
    in_templates && /^  - / { finish(); claims = 1 }
    /^ +storageClassName: / { class = $2; gsub(/["\047]/, "", class) }
    END { finish() }' "$1"
}

# Kinds that Kubernetes itself does not know.
check_kinds() {
  local api kind group known missing=()
  local -A kinds=()
  while read -r kind api; do
    group=${api%%/*}
    if [[ $group != *.* ]]; then continue; fi
    case $group in
      networking.k8s.io | rbac.authorization.k8s.io | storage.k8s.io) continue ;;
      scheduling.k8s.io | discovery.k8s.io) continue ;;
    esac
    if [[ -z ${kinds[$group]:-} ]]; then
      known=
      # An unknown group is an empty list, and for some kubectl an error.
      if ask api-resources "--api-group=$group" --no-headers; then
        known=$(awk '{ print $NF }' <<<"$answer")
      fi
      kinds[$group]=" ${known//$'\n'/ } "
    fi
    if [[ ${kinds[$group]} != *" $kind "* ]]; then missing+=("$kind ($group)"); fi
  done < <(awk '{ print $2, $4 }' <<<"$objects" | sort -u)
  if ((${#missing[@]} > 0)); then
    fail "the cluster does not know these kinds, whose CustomResourceDefinitions are missing:\
 ${missing[*]}. monitoring.coreos.com comes with the Prometheus operator, keda.sh with KEDA.\
 Install them, or leave these objects out in an overlay of your own." "kubectl get crds"
  fi
  if ((${#kinds[@]} > 0)); then say "  custom resources of ${!kinds[*]} are known"; fi
}

# Of the Secrets that nobody creates here.
check_foreign_secrets() {
  local name missing=()
  for name in $(wanted_secrets); do
    if [[ -n ${OWN_SECRETS[$name]:-} || -n $(files_of secret Secret "$name") ]]; then continue; fi
    ask get secret "$name" -o name --ignore-not-found || fail "Secret $name: $trouble"
    if [[ -z $answer ]]; then missing+=("$name"); fi
  done
  if ((${#missing[@]} > 0)); then
    fail "these Secrets must exist in namespace $namespace before pods can start, and their\
 contents are yours to know: ${missing[*]}" "$(more get secrets)" "$(more create secret --help)"
  fi
}

# A deployment would undo one half of emergency.sh's fallback and not the other.
check_fallback() {
  local name services
  mapfile -t services < <(awk '$2 == "Service" { print $3 }' <<<"$objects")
  for name in "${services[@]}"; do
    columns "service $name" 'B:.metadata.annotations.quotagate/backend' || continue
    if [[ -n $answer && $answer != "<none>" ]]; then
      fail "all traffic of Service $name goes to backend $answer, by emergency.sh. End that first:\
 scripts/emergency.sh --namespace $namespace backend both" "$(more describe service "$name")"
    fi
  done
}

# With the quotactl that $QUOTACTL names, or that is installed or built here. Where there is none,
# that of a new pod does it in step 5.
check_policy_here() {
  local program file
  file=$(policy_file)
  if [[ -z $file ]]; then return; fi
  program=${QUOTACTL:-$(type -P quotactl || echo "$REPO/build/release/quotactl")}
  if [[ ! -x $program ]]; then
    say "  policy: not looked at yet, there is no quotactl here"
    return
  fi
  read_policy "$file"
  if grep -q '_file:' "$scratch/policy.yaml"; then
    say "  policy: not looked at yet, it names files that are in the pods"
    return
  fi
  check_policy "$program"
  say "  policy $answer is valid"
}

# The file of the ConfigMap that holds the policy.
policy_file() {
  awk '$1 == "config" && $2 == "ConfigMap" && $3 ~ /^quota-policy/ { print $5 }' <<<"$objects"
}
