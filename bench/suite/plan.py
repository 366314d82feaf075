"""What is measured by each word that run.sh understands."""

import math
from dataclasses import dataclass, field

OPEN_LOOP_CONNECTIONS = 64


@dataclass(frozen=True)
class Cell:
    """One way to ask, of every contender in turn."""
    placement: str
    handler: str
    connections: int
    rate: int | None = None  # None: as fast as answers come

    def title(self):
        how = f"{self.rate:,} requests/s" if self.rate else f"c={self.connections}"
        return f"{self.placement}, {self.handler}, {how}"

    def seconds(self, seconds):
        """What one measurement takes, with its start and its end."""
        return (seconds + 0.1) if self.rate else math.ceil(seconds) + 0.1


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: float
    saturation: dict = field(default_factory=dict)  # handler -> connections
    rates: dict = field(default_factory=dict)       # handler -> requests a second
    scaling: tuple = ()                             # numbers of workers

    def cells(self, placements):
        return [cell for placement in placements for cell in [
            *[Cell(placement, handler, connections)
              for handler, every in self.saturation.items() for connections in every],
            *[Cell(placement, handler, OPEN_LOOP_CONNECTIONS, rate)
              for handler, every in self.rates.items() for rate in every]]]


PLANS = {
    "quick": Plan(5, 1, {"static": [64]}, {"static": [5000]}),
    "full": Plan(5, 2, {"static": [1, 16, 64, 256], "proxied": [1, 64, 256]},
                 {"static": [1000, 5000, 20000], "proxied": [5000]}, (1, 2, 4)),
}
