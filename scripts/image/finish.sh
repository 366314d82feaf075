# shellcheck shell=bash
# What the last steps of all images have in common.

# make_user <name> <uid>: a user and a group of that number which can do nothing but run.
make_user() {
  [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "the user wants a number, not '${2:-}'"
  groupadd --gid "$2" "$1"
  useradd --uid "$2" --gid "$2" --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin "$1"
}

# The bill of materials: what is in the image, in which version.
record_packages() {
  install -d /usr/share/quotagate
  dpkg-query --show --showformat '${Package} ${Version} ${Architecture}\n' |
    sort >/usr/share/quotagate/packages
}
