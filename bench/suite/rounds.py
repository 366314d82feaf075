"""Interleaved rounds: in each, every contender is asked once, one right after the other."""

import sys
import time

from suite import load
from suite.placement import SERVING


class Progress:
    """Says on stderr what is measured and how long the rest will take."""

    def __init__(self, seconds):
        self._left = seconds

    def begin(self, title, seconds):
        print(f"{time.strftime('%H:%M:%S')}  {title}  (about {max(self._left, 0) / 60:.1f} min "
              f"left)", file=sys.stderr, flush=True)
        self._left -= seconds


def ask(port, cell, seconds):
    url = f"http://127.0.0.1:{port}/{cell.handler}"
    if cell.rate:
        return load.constant(url, cell.rate, seconds, cell.placement, cell.connections)
    return load.saturate(url, cell.connections, seconds, cell.placement)


def measure(gateway, cell, seconds):
    """One round of one gateway: what the load generator saw, and CPU by role per request."""
    before = gateway.cpu()
    seen = ask(gateway.port, cell, seconds)
    after = gateway.cpu()
    if not seen["requests"]:
        raise SystemExit(f"{gateway.name} answered nothing ({cell.title()})")
    roles = [role for role in after if role != "upstream" or cell.handler == "proxied"]
    return {**seen, "cpu_us": {role: (after[role] - before[role]) / seen["requests"]
                               for role in roles}}


class Ledger:
    """Whether a contender decided as many requests as were asked of it."""

    def __init__(self, contender):
        self._contender = contender
        self._before = contender.part.decided() if contender.part.decided else 0
        self._asked = 0
        # What wrk leaves under way when it stops is decided, and counted by nobody; one more for
        # whoever counts this very question.
        self._uncertain = 1

    def add(self, seen, cell):
        self._asked += seen["requests"]
        self._uncertain += cell.connections + seen.get("unanswered", 0)

    def complaint(self):
        contender = self._contender
        if contender.part.decided is None:
            return None
        decided = contender.part.decided() - self._before
        if self._asked <= decided <= self._asked + self._uncertain:
            return None
        return (f"of {self._asked:,} requests {decided:,.0f} were decided by "
                f"{contender.kind.title}: its figures mean nothing")


def run(contenders, cells, rounds, seconds, progress):
    """The cells with their rounds, and sentences about what went wrong."""
    problems = []
    ledgers = {name: Ledger(contender) for name, contender in contenders.items()}

    def one(name, cell, how_long):
        seen = measure(contenders[name], cell, how_long)
        ledgers[name].add(seen, cell)
        if seen["errors"]:
            problems.append(f"{name} answered {seen['errors']} times with an error "
                            f"({cell.title()})")
        return seen

    results, placement = [], None
    for cell in cells:
        progress.begin(cell.title(), cell.seconds(seconds) * rounds * len(contenders))
        for name, contender in contenders.items():
            if cell.placement != placement:
                contender.move(SERVING[cell.placement])
                one(name, cell, min(seconds, 1))  # warm-up
        placement = cell.placement
        values = {name: [] for name in contenders}
        for _ in range(rounds):
            for name in contenders:
                values[name].append(one(name, cell, seconds))
        results.append({"placement": cell.placement, "handler": cell.handler,
                        "connections": cell.connections, "rate": cell.rate, "rounds": values})
    for ledger, contender in zip(ledgers.values(), contenders.values()):
        problems += filter(None, (ledger.complaint(), contender.verify()))
    return results, problems
