"""Which cores the processes under measurement and the load generator may use."""

import os
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))

# Pinned: all that takes part on one core, the load generator on another. Free: the kernel's choice.
SERVING = {"pinned": CORES[:1], "free": CORES}
LOADING = {"pinned": CORES[1:2], "free": CORES}


def move(pids, cores):
    """Every thread of the processes; threads to come inherit it."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                os.sched_setaffinity(int(task.name), cores)
            except ProcessLookupError:
                pass  # the thread has ended


def on_cores(cores, command):
    return ["taskset", "-c", ",".join(map(str, cores)), *map(str, command)]
