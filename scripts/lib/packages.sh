# shellcheck shell=bash
# The Debian packages that quotagate needs, for Debian 12 and 13, by what they are needed for.
# "a|b" is satisfied by either name; when neither is installed, the first that apt knows is taken.

readonly PACKAGE_GROUPS=(build run test bench lint)

packages_of() {
  case $1 in
    build)
      # libhiredis and libuv are for the Redis store, libbenchmark for bench/.
      echo cmake ninja-build g++ 'pkg-config|pkgconf' ccache git \
        libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev \
        libnghttp2-dev libprotozero-dev nginx-dev libyaml-cpp-dev libspdlog-dev \
        libsqlite3-dev libhiredis-dev libuv1-dev nlohmann-json3-dev libcpp-httplib-dev \
        libcli11-dev 'prometheus-cpp-dev|libprometheus-cpp-dev' libjwt-dev libssl-dev \
        libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev
      ;;
    run)
      # nginx itself: nginx-light and its siblings are only nginx and more modules.
      echo 'nginx|nginx-light' python3 curl util-linux
      ;;
    test)
      echo redis-server libnginx-mod-http-lua nghttp2-client wrk apache2-utils \
        python3-pytest python3-pytest-xdist python3-grpcio python3-protobuf python3-httpx \
        python3-redis python3-h2 python3-jwt python3-cryptography python3-yaml \
        python3-jsonschema nodejs prometheus chromium chromium-driver python3-selenium valgrind
      ;;
    bench)
      # Of bench/run.sh: two of those that quotagate is measured beside, and their load.
      echo redis-server libnginx-mod-http-lua lua-nginx-redis wrk util-linux git
      ;;
    lint)
      echo clang-format clang-tidy shellcheck
      ;;
    *)
      return 1
      ;;
  esac
}
