import pytest

from suite import rounds
from suite.contenders import KINDS, Part
from suite.plan import Cell

CELL = Cell("pinned", "static", 64)


class Counting:
    """A contender whose decisions are a number that the test sets."""

    kind = KINDS["quotagate"]

    def __init__(self):
        self.count = 100
        self.part = Part(decided=lambda: self.count)


@pytest.mark.parametrize("decided,fits", [(1000, True), (1064, True), (999, False), (1066, False)])
def test_as_many_requests_must_be_decided_as_were_answered_or_under_way(decided, fits):
    contender = Counting()
    ledger = rounds.Ledger(contender)
    ledger.add({"requests": 1000}, CELL)
    contender.count += decided
    assert (ledger.complaint() is None) == fits
    if not fits:
        assert f"{decided:,} were decided" in ledger.complaint()


def test_who_counts_nothing_cannot_be_wrong():
    contender = Counting()
    contender.part = Part()
    assert rounds.Ledger(contender).complaint() is None


def test_cpu_is_per_request_and_the_upstreams_counts_only_behind_it(monkeypatch):
    class Gateway:
        name, port = "one", 1

        def __init__(self):
            self.used = iter([{"nginx": 0.0, "upstream": 10.0}, {"nginx": 50.0, "upstream": 20.0}])

        def cpu(self):
            return next(self.used)

    monkeypatch.setattr(rounds, "ask", lambda *_: {"requests": 10})
    assert rounds.measure(Gateway(), CELL, 1)["cpu_us"] == {"nginx": 5.0}
    proxied = Cell("pinned", "proxied", 64)
    assert rounds.measure(Gateway(), proxied, 1)["cpu_us"] == {"nginx": 5.0, "upstream": 1.0}


def test_progress_counts_down(capsys):
    progress = rounds.Progress(120)
    progress.begin("first", 60)
    progress.begin("second", 90)
    progress.begin("third", 1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("(about ")[1] for line in lines] == [
        "2.0 min left)", "1.0 min left)", "0.0 min left)"]
