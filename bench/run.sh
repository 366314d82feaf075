#!/usr/bin/env bash
# Measures quotagate beside plain nginx, limit_req, auth_request and Lua + Redis; --help says more.
set -euo pipefail
bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Debian's python3, not the first on the PATH.
PYTHONPATH=$bench exec /usr/bin/python3 -B -m suite "$@"
