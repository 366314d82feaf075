"""The numbers to reach, each in one line, and what a result says of them."""

from dataclasses import dataclass
from typing import Callable

from suite import figures

QUOTA, REDIS, LUA = "quotagate", "quotagate_redis", "lua_redis"


def _cell(result, placement, connections=None, rate=None):
    facts = {"placement": placement, "handler": "static", "rate": rate}
    if connections:
        facts["connections"] = connections
    return figures.find(result["cells"], **facts)


def _from(cell, names, value):
    """The value, or None when the cell or one of the contenders was not measured."""
    if cell is None or any(name not in cell["rounds"] for name in names):
        return None
    return value(cell)


def added(placement, connections):
    return lambda result: _from(_cell(result, placement, connections), [QUOTA],
                                lambda cell: figures.added_cpu(cell, QUOTA).median)


def leases(placement, connections):
    return lambda result: _from(_cell(result, placement, connections), [QUOTA, REDIS],
                                lambda cell: figures.added_cpu(cell, REDIS, QUOTA).median)


def ratio(placement, connections):
    return lambda result: _from(_cell(result, placement, connections), [QUOTA],
                                lambda cell: figures.rate_ratio(cell, QUOTA).median)


def latency(placement, rate, percentile):
    return lambda result: _from(_cell(result, placement, rate=rate), [QUOTA],
                                lambda cell: figures.added_latency(cell, QUOTA, percentile).median)


def beside_lua(placement, rate):
    """What quotagate with Redis adds, of what Lua adds that does the same."""
    return lambda result: _from(
        _cell(result, placement, rate=rate), [REDIS, LUA],
        lambda cell: figures.added_cpu(cell, REDIS).median / figures.added_cpu(cell, LUA).median)


def idle_quotad(result):
    found = result["memory"]["idle"].get(QUOTA)
    return found and found["quotad"]["resident"]


def worker_memory(result):
    after = result["memory"]["loaded"]
    if QUOTA not in after:
        return None
    return after[QUOTA]["nginx"]["resident"] - after[figures.BASE]["nginx"]["resident"]


@dataclass(frozen=True)
class Goal:
    what: str
    unit: str
    reach: float
    value: Callable  # of a result; None when it was not measured
    at_least: bool = False
    then: float | None = None  # to go for after that

    def missed_by(self, value):
        """0 or less when it is reached."""
        return self.reach - value if self.at_least else value - self.reach


GOALS = [
    Goal("CPU added, c=64, pinned", "µs", 1.8, added("pinned", 64), then=1.2),
    Goal("CPU added, c=64, free", "µs", 2.5, added("free", 64)),
    Goal("CPU added, c=256, pinned", "µs", 1.0, added("pinned", 256), then=0.6),
    Goal("CPU added, c=16, pinned", "µs", 4.5, added("pinned", 16), then=3),
    Goal("CPU added by Redis leases to the embedded store, c=64, pinned", "µs", 0.3,
         leases("pinned", 64), then=0.1),
    Goal("requests/s of plain's, c=64, pinned", "", 0.75, ratio("pinned", 64), True, 0.85),
    Goal("requests/s of plain's, c=256, pinned", "", 0.85, ratio("pinned", 256), True, 0.92),
    Goal("p50 added at 5,000 requests/s, pinned", "µs", 40, latency("pinned", 5000, "p50_us"),
         then=25),
    Goal("p99 added at 5,000 requests/s, pinned", "µs", 100, latency("pinned", 5000, "p99_us"),
         then=60),
    Goal("p50 added at 5,000 requests/s, free", "µs", 80, latency("free", 5000, "p50_us")),
    Goal("p99 added at 5,000 requests/s, free", "µs", 250, latency("free", 5000, "p99_us")),
    Goal("CPU added at 1,000 requests/s, of what Lua + Redis adds, pinned", "", 1,
         beside_lua("pinned", 1000)),
    Goal("CPU added at 1,000 requests/s, of what Lua + Redis adds, free", "", 1,
         beside_lua("free", 1000)),
    Goal("idle quotad, resident", "MB", 30, idle_quotad),
    Goal("nginx worker, resident, more than plain's", "MB", 2, worker_memory),
]


def rows(result):
    """What, goal, value and verdict of each that was measured."""
    for goal in GOALS:
        value = goal.value(result)
        if value is None:
            continue
        missed = goal.missed_by(value)
        unit = f" {goal.unit}" if goal.unit else ""
        if missed > 0:
            verdict = f"missed by {missed:.2f}{unit}"
        elif goal.then is None:
            verdict = "reached"
        else:
            further = goal.missed_by(value) + abs(goal.reach - goal.then)
            verdict = (f"reached; the further goal of {goal.then:g}{unit} too" if further <= 0
                       else f"reached; {further:.2f}{unit} to the further goal of {goal.then:g}")
        yield (goal.what, f"{'>=' if goal.at_least else '<='} {goal.reach:g}{unit}",
               f"{value:.2f}{unit}", verdict)
