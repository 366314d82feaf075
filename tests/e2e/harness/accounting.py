"""What was admitted, when, and whether that was more than an ideal token bucket admits."""

import collections
import dataclasses
import threading


@dataclasses.dataclass(frozen=True)
class Bucket:
    """The limits of one consumer, in cost units."""

    per_minute: int
    burst: float = 1.5

    @property
    def rate(self):
        """Units per second."""
        return self.per_minute / 60

    @property
    def capacity(self):
        return self.per_minute * self.burst


@dataclasses.dataclass(frozen=True)
class Entry:
    """Checks of one consumer that were sent together and answered together, all alike."""

    sent: float      # monotonic seconds, just before they were sent
    answered: float  # and just after the verdicts were there
    gateway: int
    consumer: str
    allowed: bool
    units: float     # what they cost all together
    checks: int = 1
    degraded: bool = False
    reason: str = ""
    status: int = 0  # of HTTP; 0 where there was none

    @property
    def waited(self):
        return self.answered - self.sent


class Ledger:
    """Entries of any number of clients, which may add to it from their threads."""

    def __init__(self):
        self._entries = []
        self._lock = threading.Lock()

    def add(self, *entries):
        with self._lock:
            self._entries += entries

    def entries(self, **wanted):
        """Those with these fields. `since`: sent then or later; `until`: answered by then."""
        since = wanted.pop("since", float("-inf"))
        until = wanted.pop("until", float("inf"))
        with self._lock:
            entries = list(self._entries)
        return [entry for entry in entries if entry.sent >= since and entry.answered <= until
                and all(getattr(entry, name) == value for name, value in wanted.items())]

    def admitted(self, **wanted):
        """Units."""
        return sum(entry.units for entry in self.entries(allowed=True, **wanted))

    def checks(self, **wanted):
        return sum(entry.checks for entry in self.entries(**wanted))

    def longest_wait(self, **wanted):
        return max((entry.waited for entry in self.entries(**wanted)), default=0.0)

    def reasons(self, **wanted):
        counts = collections.Counter()
        for entry in self.entries(**wanted):
            counts[entry.reason] += entry.checks
        return counts

    def begin(self, **wanted):
        return min(entry.sent for entry in self.entries(**wanted))

    def end(self, **wanted):
        return max(entry.answered for entry in self.entries(**wanted))


# Redis reads its clock in whole microseconds, between the times that the client reads; both clocks
# run at the same speed. A millisecond of refill is more than all of that and, at the rates of these
# tests, less than one request.
CLOCKS = 0.001


def over_admission(entries, bucket, extra=0.0):
    """By how many units the admissions exceed the ideal bucket at worst; 0 if they never do.

    An admission took place somewhere between `sent` and `answered`. So all that were sent at a or
    later and answered at b or earlier took place within [a, b], and for no a and b may they exceed
    capacity + rate × (b - a). Since the bucket starts with `per_minute` units and not with its
    capacity, from the first request on they may not even exceed per_minute + rate × (b - a).

    `extra` is added to what is allowed in each interval: the stated bound of a degraded mode."""
    batches = collections.Counter()
    for entry in entries:
        if entry.allowed:
            batches[(entry.sent, entry.answered)] += entry.units
    if not batches:
        return 0.0
    rate = bucket.rate
    begin = min(entry.sent for entry in entries)
    starts = sorted({sent for sent, _ in batches})
    position = {sent: number for number, sent in enumerate(starts)}
    worst = 0.0
    total = 0.0
    tree = _SuffixMaximum([rate * sent for sent in starts])
    for (sent, answered), units in sorted(batches.items(), key=lambda item: item[0][1]):
        total += units
        tree.add(position[sent], units)
        refilled = rate * (answered + CLOCKS)
        worst = max(worst, tree.maximum() - refilled - bucket.capacity - extra,
                    total + rate * begin - refilled - bucket.per_minute - extra)
    return worst if worst > 1e-6 else 0.0


class _SuffixMaximum:
    """For numbers x[i]: the greatest x[k] + (sum of what was added at k and after it), over every k
    up to the last at which something was added."""

    def __init__(self, numbers):
        self._numbers = numbers
        self._size = 1
        while self._size < len(numbers):
            self._size *= 2
        self._sums = [0.0] * (2 * self._size)
        self._maxima = [float("-inf")] * (2 * self._size)
        self._known = 0

    def add(self, position, amount):
        self._sums[self._size + position] += amount
        # A later k has no admissions yet.
        for new in range(self._known, position + 1):
            self._refresh(new)
        self._known = max(self._known, position + 1)
        self._refresh(position)

    def _refresh(self, position):
        node = self._size + position
        self._maxima[node] = self._numbers[position] + self._sums[node]
        while node > 1:
            node //= 2
            left, right = 2 * node, 2 * node + 1
            self._sums[node] = self._sums[left] + self._sums[right]
            self._maxima[node] = max(self._maxima[right], self._maxima[left] + self._sums[right])

    def maximum(self):
        return self._maxima[1]
