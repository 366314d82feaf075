"""What must be there before anything is measured, and what it is."""

import os
import platform
import re
import resource
import shutil
import subprocess
from pathlib import Path

from suite.services import BUILD, PATH, REPO

_TARGETS = ["quotad", "ngx_http_quota_module", "quota_open_loop"]


def _run(command):
    if subprocess.run([str(word) for word in command], cwd=REPO, stdout=2, check=False).returncode:
        raise SystemExit(f"{Path(command[0]).name} failed; see above")


def build():
    """Packages and programs; only the programs' presence where QUOTA_BUILD_DIR names a build."""
    if "QUOTA_BUILD_DIR" not in os.environ:
        _run([REPO / "scripts" / "deps.sh", "build", "run", "bench"])
        _run(["cmake", "--preset", "release"])
        _run(["cmake", "--build", "--preset", "release", "--target", *_TARGETS])
    for name in ["quotad", "ngx_http_quota_module.so", "bench/quota_open_loop"]:
        if not (BUILD / name).exists():
            raise SystemExit(f"{BUILD / name} is not built; unset QUOTA_BUILD_DIR to have it built")
    for name in ["nginx", "wrk", "redis-server", "redis-cli", "taskset", "setpriv"]:
        if not shutil.which(name, path=PATH):
            raise SystemExit(f"{name} is not installed; run scripts/deps.sh run bench")


def _first(pattern, *command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPO,
                          env={**os.environ, "PATH": PATH})
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"


def versions():
    commit = _first(r"^([0-9a-f]+)", "git", "rev-parse", "--short", "HEAD")
    changed = _first(r"^\s*(\S)", "git", "status", "--porcelain") != "unknown"
    return {"quotagate": commit + (" with changes" if changed else ""),
            "nginx": _first(r"nginx/(\S+)", "nginx", "-v"),
            "Redis": _first(r"v=(\S+)", "redis-server", "--version"),
            "wrk": _first(r"wrk (?:debian/)?(\S+)", "wrk", "-v"),
            "kernel": platform.release()}


class Disturbance:
    """What others had of the machine, as parts of all its time since this was made."""

    def __init__(self):
        self._before = self._read()

    @staticmethod
    def _read():
        """Seconds: all, stolen, busy, and busy with what we have started and seen end."""
        ticks = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
        user, nice, system, idle, iowait, irq, softirq, steal = (
            tick / os.sysconf("SC_CLK_TCK") for tick in ticks)
        ours = sum(used.ru_utime + used.ru_stime for used in
                   map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
        busy = user + nice + system + irq + softirq
        return busy + idle + iowait + steal, steal, busy, ours

    def parts(self):
        every, stolen, busy, ours = (now - then for now, then in zip(self._read(), self._before))
        return {"stolen": stolen / max(every, 0.01),
                "others": max(busy - ours, 0) / max(every, 0.01)}


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    release = re.search(r'^PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text(), re.M)
    return {"cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(),
            "system": release[1] if release else platform.platform()}
