"""What the processes hold in memory, in megabytes."""

import re
from pathlib import Path


def _of(pid):
    """Resident, and of that what no other process shares."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    return {"resident": kilobytes["Rss"] / 1024,
            "private": (kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]) / 1024}


def of_processes(contenders):
    """By contender and role; the largest where a role has several processes."""
    return {name: {role: max((_of(pid) for pid in pids), key=lambda one: one["resident"])
                   for role, pids in contender.roles.items()}
            for name, contender in contenders.items()}
