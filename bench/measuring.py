"""What the benches share: waiting for processes, and what the kernel charges to them."""

import os
import platform
import re
import socket
import statistics
import sys
import time
from pathlib import Path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what):
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"{what} did not come up within 10 s")
        time.sleep(0.02)


def cpu_us(pid):
    """Of all threads that a process has and has had, to the nanosecond: its CPU-time clock.

    /proc knows the same sum in ticks of 10 ms, or in nanoseconds only of threads that still live.
    """
    clock = (~pid << 3) | 2  # clock_getcpuclockid(3), which Python lacks
    return time.clock_gettime_ns(clock) / 1000


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{platform.platform()}, {os.cpu_count()} cores, {model.group(1) if model else '?'}"


def spread(column):
    """Median (lowest to highest)."""
    return f"{statistics.median(column):.2f} ({min(column):.2f} to {max(column):.2f})"
