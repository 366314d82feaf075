# shellcheck shell=bash
# What an overlay says: rendered once by kustomize, then object by object. Wants lib/cluster.sh.

# Lines of: section kind name apiVersion file
objects=

# overlay_directory <name or directory>
overlay_directory() {
  local found=$1
  if [[ $found != */* ]]; then found=$REPO/k8s/overlays/$found; fi
  if [[ ! -f $found/kustomization.yaml ]]; then
    die "there is no overlay '$1': $found/kustomization.yaml does not exist. There are:" \
      "$(cd "$REPO/k8s/overlays" 2>/dev/null && echo *), or the directory of one of your own."
  fi
  cd "$found" && pwd -P
}

# render <overlay directory>: for the namespace that is wanted. kustomize takes no absolute paths
# and no option for the namespace, so an overlay of the overlay says both.
render() {
  local directory=$1 around up
  around=$(mkdir -p "$scratch/overlay" && cd "$scratch/overlay" && pwd -P)
  up=$(awk '{ gsub("/[^/]*", "../"); print }' <<<"$around")
  printf 'namespace: %s\nresources: ["%s"]\n' "$namespace" "$up${directory#/}" \
    >"$around/kustomization.yaml"
  if ! ask kustomize "$around"; then
    fail "kubectl cannot render $directory: $trouble" "kubectl kustomize $directory"
  fi
  printf '%s\n' "$answer" >"$scratch/rendered.yaml"
  take_apart "$scratch/rendered.yaml"
  if [[ -z $objects ]]; then fail "$directory renders to nothing" "kubectl kustomize $directory"; fi
}

# take_apart <file>
take_apart() {
  local into=$scratch/objects
  rm -rf "$into"
  mkdir -p "$into"
  objects=$(awk -v "into=$into" -f "$REPO/scripts/lib/manifests.awk" "$1")
}

# files_of <section|*> [kind] [name]: the files of the objects, one a line.
files_of() {
  awk -v section="$1" -v kind="${2:-*}" -v name="${3:-*}" \
    '(section == "*" || $1 == section) && (kind == "*" || $2 == kind) &&
     (name == "*" || $3 == name) { print $5 }' <<<"$objects"
}

# names_in <section> <kind>: one a line.
names_in() {
  awk -v section="$1" -v kind="$2" '$1 == section && $2 == kind { print $3 }' <<<"$objects"
}

# join_files <file...>: as one YAML stream.
join_files() {
  local file
  for file in "$@"; do
    printf -- '---\n'
    cat "$file"
  done
}

# apply <what> <file...>: one call, and a line that says what became of how many.
apply() {
  local what=$1
  shift
  if (($# == 0)); then return; fi
  if [[ $dry_run == yes ]]; then
    would_apply "$@"
    return
  fi
  if ! ask apply -f - < <(join_files "$@"); then
    fail "$what cannot be applied: $trouble" "$(more get events --sort-by=.lastTimestamp)"
  fi
  say "  $what: $(counts <<<"$answer")"
}

# "deployment.apps/kong configured" and so on -> "1 configured, 3 unchanged"
counts() {
  awk 'NF { count[$NF]++ }
    END {
      split("created configured unchanged", words)
      for (i = 1; i <= 3; i++)
        if (words[i] in count) text = text (text ? ", " : "") count[words[i]] " " words[i]
      print text ? text : "nothing to do"
    }'
}

# For --dry-run: which of the objects would be new.
would_apply() {
  local file known kind name
  ask get -f - -o name --ignore-not-found < <(join_files "$@") || answer=
  # "deployment.apps/kong" -> "deployment/kong"
  known=$(awk -F '[./]' '{ name = $0; sub(/^[^\/]*\//, "", name); print $1 "/" name }' \
    <<<"$answer")
  for file in "$@"; do
    read -r kind name < <(awk -v file="$file" '$5 == file { print $2, $3 }' <<<"$objects")
    if grep -qxF "${kind,,}/$name" <<<"$known"; then
      say "  would bring up to date: $kind $name"
    else
      say "  would create: $kind $name"
    fi
  done
}

# The Secrets that pods of the overlay cannot start without, one a line.
wanted_secrets() {
  awk '
    function finish() { if (depth && name != "" && !optional) print name; depth = 0 }
    {
      match($0, /^ *(- )?/)
      indent = RLENGTH
      if (depth && indent < depth) finish()
      if (depth && indent == depth) {
        line = substr($0, indent + 1)
        if (line ~ /^(secretName|name): /) { name = line; sub(/^[^:]*: */, "", name) }
        if (line ~ /^optional: true/) optional = 1
      }
      if ($0 ~ /^ *(- )?(secretKeyRef|secretRef|secret):$/) {
        finish(); depth = indent + 2; name = ""; optional = 0
      }
    }
    END { finish() }' "$scratch/rendered.yaml" | sort -u
}

# Whether an autoscaler of the overlay sets the replicas of a Deployment.
is_scaled() {
  local files=()
  mapfile -t files < <(files_of '*' HorizontalPodAutoscaler && files_of '*' ScaledObject)
  ((${#files[@]} > 0)) && grep -qx "    name: $1" "${files[@]}"
}

# Applying a Deployment must not take away the pods that an autoscaler has added.
keep_replicas() {
  local name file
  for file in $(files_of gateway Deployment); do
    name=$(awk -v file="$file" '$5 == file { print $3 }' <<<"$objects")
    if grep -q '^  replicas: ' "$file" && is_scaled "$name"; then
      columns "deployment $name" 'R:.spec.replicas' || fail "Deployment $name: $trouble"
      if [[ $answer =~ ^[1-9][0-9]*$ ]]; then
        sed -i "s/^  replicas: .*/  replicas: $answer/" "$file"
      fi
    fi
  done
}

# Whether Kong reads kong.yaml when it starts, and from no database.
is_dbless() {
  [[ -n $(files_of config ConfigMap kong-config) && -z $(files_of config Job) ]]
}

# mark_template <file of a Deployment> <mark>: Kong does not notice a new kong.yaml, nor that one
# was imported. Its pods start anew, one after the other, when their template differs.
mark_template() {
  awk -v "mark=quotagate/kong-config: \"$2\"" '
    /^        quotagate\/kong-config: / { next }
    waiting {
      if ($0 == "      annotations:") { print; $0 = "        " mark }
      else print "      annotations:\n        " mark
      waiting = 0
    }
    { print }
    /^  template:$/ { in_template = 1 }
    in_template && /^    metadata:$/ { waiting = 1; in_template = 0 }' "$1" >"$1.marked"
  mv "$1.marked" "$1"
}

# Without a database the configuration is known before the pods start.
mark_dbless() {
  local file
  file=$(files_of gateway Deployment kong)
  if [[ -n $file ]] && is_dbless; then
    mark_template "$file" "$(fingerprint_of "$(files_of config ConfigMap kong-config)")"
  fi
}
