"""Where the programs under test are, and how sanitizers are to be told about them."""

import functools
import os
import pathlib
import shutil
import subprocess

REPO = pathlib.Path(__file__).resolve().parents[3]
BUILD_DIR = pathlib.Path(os.environ.get("QUOTA_BUILD_DIR", REPO / "build" / "release"))
SANITIZE = os.environ.get("QUOTA_SANITIZE", "")
ADDRESS_SANITIZER = "address" in SANITIZE
THREAD_SANITIZER = "thread" in SANITIZE

# Nothing here measures speed. Under a sanitizer everything is simply given more time.
PATIENCE = 60 if SANITIZE else 20

_SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # nginx, for ordinary users
_MODULES = pathlib.Path("/usr/lib/nginx/modules")


def program(name):
    found = shutil.which(name, path=_SYSTEM_PATH)
    assert found, f"{name} is not installed: run scripts/deps.sh"
    return found


def built(name):
    path = BUILD_DIR / name
    assert path.exists(), f"{path} is not built"
    return str(path)


def quota_module():
    # Debian's nginx cannot load a module built for the thread sanitizer.
    directory = BUILD_DIR.parent / "release" if THREAD_SANITIZER else BUILD_DIR
    path = directory / "ngx_http_quota_module.so"
    assert path.exists(), f"{path} is not built"
    return str(path)


def lua_modules():
    return [str(_MODULES / "ndk_http_module.so"), str(_MODULES / "ngx_http_lua_module.so")]


@functools.lru_cache(maxsize=None)
def _sanitizer_libraries(binary):
    """The sanitizers' runtimes that a binary wants, in the order it wants them."""
    listing = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    return tuple(line.split("=>")[1].split()[0] for line in listing.splitlines()
                 if "=>" in line and any(name in line for name in ("libasan", "libubsan")))


def _with_options(name, **options):
    given = os.environ.get(name)
    added = ":".join(f"{key}={value}" for key, value in options.items())
    return {name: f"{given}:{added}" if given else added}


def sanitizer_environment(workdir, who):
    """Reports go to files in workdir, which no process can forget to show."""
    if not SANITIZE:
        return {}
    log = workdir / f"sanitizer.{who}"
    return {**_with_options("ASAN_OPTIONS", log_path=log),
            **_with_options("UBSAN_OPTIONS", log_path=log),
            **_with_options("TSAN_OPTIONS", log_path=log)}


def nginx_environment(workdir):
    """nginx itself is not built for the sanitizer, so its runtime must be there before it."""
    if not ADDRESS_SANITIZER:
        return {}
    # nginx leaves its pools to the system when it exits.
    environment = sanitizer_environment(workdir, "nginx")
    environment["ASAN_OPTIONS"] += ":detect_leaks=0"
    environment["LD_PRELOAD"] = " ".join(_sanitizer_libraries(quota_module()))
    return environment
