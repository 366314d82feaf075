"""Figures made of rounds. A round of a contender is compared with plain nginx's of the same round:
the machine's mood of the moment is in both."""

import statistics

BASE = "plain"
PERCENTILES = {"p50_us": "p50", "p99_us": "p99", "p99_9_us": "p99.9"}


class Spread:
    """A median, and the lowest and highest of what it was taken from."""

    def __init__(self, values):
        self.values = list(values)
        self.median = statistics.median(self.values)
        self.low = min(self.values)
        self.high = max(self.values)

    def text(self, digits=2):
        if len(self.values) == 1:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"

    def overlaps(self, other):
        return self.low <= other.high and other.low <= self.high

    def relative_width(self):
        return (self.high - self.low) / self.median if self.median else 0.0


def own_cpu(one):
    """Of all processes that take part but the upstream: it does the same for everybody."""
    return sum(value for role, value in one["cpu_us"].items() if role != "upstream")


def cpu(cell, name):
    return Spread(own_cpu(one) for one in cell["rounds"][name])


def role_cpu(cell, name, role):
    """None where the contender has no such process."""
    values = [one["cpu_us"][role] for one in cell["rounds"][name] if role in one["cpu_us"]]
    return Spread(values) if values else None


def rate(cell, name):
    return Spread(one["requests_s"] for one in cell["rounds"][name])


def latency(cell, name, percentile):
    return Spread(one[percentile] for one in cell["rounds"][name])


def _paired(cell, name, value, combine, base):
    return Spread(combine(value(one), value(other))
                  for one, other in zip(cell["rounds"][name], cell["rounds"][base]))


def added_cpu(cell, name, base=BASE):
    return _paired(cell, name, own_cpu, lambda a, b: a - b, base)


def added_latency(cell, name, percentile, base=BASE):
    return _paired(cell, name, lambda one: one[percentile], lambda a, b: a - b, base)


def rate_ratio(cell, name, base=BASE):
    return _paired(cell, name, lambda one: one["requests_s"], lambda a, b: a / b, base)


def is_overloaded(cell, name):
    """Where less was answered than asked, latencies tell how long the run was, and little else."""
    return bool(cell["rate"]) and rate(cell, name).median < 0.98 * cell["rate"]


def find(cells, **facts):
    """The one cell with these facts, or None. Without a rate: the one at saturation."""
    wanted = {"rate": None, **facts}
    return next((cell for cell in cells
                 if all(cell[key] == value for key, value in wanted.items())), None)


QUIET = 0.05


def noise(cells):
    """How far plain nginx's rounds lie apart, in the median and in the worst cell."""
    widths = [(cpu(cell, BASE).relative_width(), rate(cell, BASE).relative_width()
               if cell["rate"] is None else 0.0) for cell in cells]
    both = [max(width) for width in widths]
    typical = statistics.median(both) if both else 0.0
    if not cells or min(len(cell["rounds"][BASE]) for cell in cells) < 3:
        word = "unknown: fewer than three rounds say nothing about noise"
    elif typical < QUIET:
        word = "quiet"
    elif typical < 3 * QUIET:
        word = "noisy: do not compare small differences"
    else:
        word = "very noisy: only large differences mean anything"
    return {"typical": typical, "worst": max(both, default=0.0), "word": word}
