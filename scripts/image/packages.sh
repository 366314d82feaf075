# shellcheck shell=bash
# The Debian packages that images are built with and run on, by set. Needs lib/packages.sh.

# Tests are not built into images, and sources come without their history.
readonly NOT_FOR_IMAGES=' git libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev '

# image_packages <set>: one entry a line, "a|b" as in lib/packages.sh. What programs link against
# is in no set here: runtime-packages.sh finds it.
image_packages() {
  local entry
  case $1 in
    build-quotad)
      for entry in $(packages_of build); do
        if [[ $NOT_FOR_IMAGES != *" $entry "* ]]; then echo "$entry"; fi
      done
      ;;
    build-module)
      # For a tree that is given. nginx's headers include those of its own libraries.
      printf '%s\n' cmake ninja-build g++ 'pkg-config|pkgconf' ccache libnghttp2-dev \
        libpcre2-dev libssl-dev zlib1g-dev
      ;;
    build-nginx-module)
      image_packages build-module
      echo nginx-dev
      ;;
    run-quotad)
      # For the https:// of a webhook.
      echo ca-certificates
      ;;
    run-nginx)
      echo 'nginx|nginx-light'
      ;;
    *)
      return 1
      ;;
  esac
}
