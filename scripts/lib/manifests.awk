# Takes the output of kustomize apart: each object into a file of the directory `into`, and a line
# about it to standard output: section, kind, name, apiVersion, file.
#
# It can be so simple because kustomize always writes in the same way: keys of an object at the
# beginning of a line, texts indented below them, keys sorted.

function value(line) {
  sub(/^[^:]*: */, "", line)
  gsub(/^["']|["']$/, "", line)
  return line
}

# Which step of deploy.sh an object belongs to.
function section() {
  if (kind == "Secret") return "secret"
  if (api ~ /^monitoring\.coreos\.com\// || (kind == "ConfigMap" && name ~ /dashboard/))
    return "monitoring"
  if (kind ~ /^(Namespace|ServiceAccount|Role|RoleBinding|ClusterRole|ClusterRoleBinding)$/ ||
      kind ~ /^(PriorityClass|ResourceQuota|LimitRange)$/)
    return "base"
  if (kind == "NetworkPolicy") return "network"
  if (name ~ /^kong-(postgres|migrations)/) return "postgres"
  if (name ~ /^quota-redis/) return "redis"
  if (name ~ /^(quota-policy|kong-config)(-|$)/) return "config"
  return "gateway"
}

function finish() {
  if (kind != "") {
    close(file)
    print section(), kind, name, api, file
  }
  kind = name = api = ""
  file = sprintf("%s/%03d.yaml", into, ++count)
}

BEGIN { finish() }
/^---/ { finish(); next }
/^kind: / { kind = value($0) }
/^apiVersion: / { api = value($0) }
/^[a-zA-Z]/ { in_metadata = ($0 == "metadata:") }
in_metadata && /^  name: / { name = value($0) }
{ print > file }
END { finish() }
