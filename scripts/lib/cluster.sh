# shellcheck shell=bash
# Talking to a cluster: options, questions, steps with time limits, and calls of kubectl that never
# hang. Wants lib/common.sh. What a call says is in $answer, what it complains of in $trouble.

# Between two looks at something that takes its time, in seconds.
readonly POLL=${QUOTA_POLL_INTERVAL:-1}

# shellcheck disable=SC2034 # each script reads what it needs
{
  namespace='api-gateway'
  dry_run=no
  assume_yes=no
  timeout=
  scratch=
  answer=
  trouble=
  progress=
}
deadline=0
limit=0
doing=

# cluster_option <arguments>: takes one of the options that all scripts here have. Succeeds if it
# was one; $taken says how many words it was.
cluster_option() {
  taken=1
  case $1 in
    --dry-run) dry_run=yes ;;
    --yes) assume_yes=yes ;;
    --namespace | --timeout)
      if (($# < 2)) || [[ -z $2 ]]; then die "$1 wants a value; try --help"; fi
      printf -v "${1#--}" '%s' "$2"
      taken=2
      ;;
    --namespace=* | --timeout=*)
      local name=${1%%=*}
      printf -v "${name#--}" '%s' "${1#*=}"
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) return 1 ;;
  esac
  if [[ ! $namespace =~ ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ ]]; then
    die "--namespace wants a name of lower case letters, digits and -, not '$namespace'"
  fi
  if [[ -n $timeout && ! $timeout =~ ^[1-9][0-9]{0,4}$ ]]; then
    die "--timeout wants whole seconds from 1 to 99999, not '$timeout'"
  fi
}

# A place for temporary files, gone when the script ends. It never ends without a word.
explained=no
make_scratch() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/quotagate.XXXXXX")
  trap 'leave $? "$BASH_COMMAND"' EXIT
  trap 'interrupted 130' INT
  trap 'interrupted 143' TERM
}

leave() {
  rm -rf "$scratch"
  if (($1 != 0)) && [[ $explained == no ]]; then
    printf '%s: %s failed, at: %s\n' "$(basename "$0")" "${doing:-it}" "$2" >&2
  fi
}

interrupted() {
  explained=yes
  printf '\n%s: stopped%s. Run it again to go on.\n' "$(basename "$0")" "${doing:+ in $doing}" >&2
  exit "$1"
}

need_tools() {
  local tool missing=()
  for tool in "$@"; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  if ((${#missing[@]} > 0)); then
    die "these programs are not on the PATH: ${missing[*]}. Install them and run this again."
  fi
}

# -- Steps

# begin <what> <seconds>: all that follows has to be done within that time.
begin() {
  doing=$1
  limit=$2
  deadline=$((SECONDS + limit))
}

time_left() {
  local left=$((deadline - SECONDS))
  echo $((left > 0 ? left : 1))
}

# note <text>: worth knowing, and no reason to stop. The summary says it again.
notes=()
note() {
  notes+=("$*")
  say "  Note: $*"
}

# The command of this cluster that a person may type.
more() {
  printf 'kubectl --namespace %s %s' "$namespace" "$*"
}

# fail <why> [command that shows more...]: ends the script.
fail() {
  local why=$1 command
  shift
  explained=yes
  printf '%s: %s failed: %s\n' "$(basename "$0")" "$doing" "$why" >&2
  if (($# > 0)); then
    printf 'More is shown by:\n' >&2
    for command in "$@"; do printf '  %s\n' "$command" >&2; done
  fi
  if declare -F after_failure >/dev/null; then after_failure >&2; fi
  exit 1
}

# -- Calls

# ask <kubectl arguments>: standard input goes to kubectl.
ask() {
  local status=0
  answer=$(timeout "$(time_left)" kubectl --namespace "$namespace" "$@" 2>"$scratch/trouble") ||
    status=$?
  trouble=$(<"$scratch/trouble")
  if ((status == 124)); then
    trouble="'kubectl $1' got no answer within the time limit of $limit s. ${trouble}"
  fi
  return "$status"
}

# columns <what> <header:path,...>: one line for each object, with <none> for what it lacks.
columns() {
  local what=$1 paths=$2
  shift 2
  # shellcheck disable=SC2086 # "what" may be kind and name
  ask get $what --no-headers --ignore-not-found -o "custom-columns=$paths" "$@"
}

# await <what> <function> [arguments]: until the function succeeds. It says in $progress how far
# things are; 2 means that they will never be. $clues holds the commands that show more.
clues=()
await() {
  local what=$1 shown='' status
  shift
  while true; do
    status=0
    progress=
    "$@" || status=$?
    if [[ -n $progress && $progress != "$shown" ]]; then
      say "  $progress"
      shown=$progress
    fi
    if ((status == 0)); then return; fi
    if ((status == 2)); then fail "$what: ${progress:-$trouble}" "${clues[@]}"; fi
    if ((SECONDS >= deadline)); then
      fail "$what: not within the time limit of $limit s; last seen: ${progress:-$trouble}" \
        "${clues[@]}"
    fi
    sleep "$POLL"
  done
}

# confirm <question>: ends the script unless a person says yes, or --yes said it before.
confirm() {
  local reply
  if [[ $assume_yes == yes || $dry_run == yes ]]; then return; fi
  if [[ ! -t 0 ]]; then
    explained=yes
    die "nobody is there to be asked; nothing was changed. Add --yes to go ahead, or --dry-run."
  fi
  read -r -p "$1 [y/N] " reply
  if [[ ! $reply =~ ^([yY]|[yY][eE][sS])$ ]]; then
    explained=yes
    die "nothing was changed."
  fi
}

# Where kubectl's calls go.
context() {
  local name
  name=$(kubectl config current-context 2>/dev/null) || name=
  echo "${name:-the cluster of this pod}"
}

# The programs beside kubectl: GNU coreutils, which other systems call something else or lack.
need_kubectl() {
  need_tools kubectl timeout base64 awk sed gzip sha256sum od
}

sha256() {
  sha256sum | cut -c 1-16
}
