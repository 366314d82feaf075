import pytest
from results import typical

from suite import goals

C64 = "CPU added, c=64, pinned"


def verdict(result, what):
    return next(row for row in goals.rows(result) if row[0] == what)


@pytest.mark.parametrize("added,words", [
    (2.3, "missed by 0.50 µs"), (1.75, "reached; 0.55 µs to the further goal of 1.2"),
    (1.5, "reached; 0.30 µs to the further goal of 1.2"),
    (1.1, "reached; the further goal of 1.2 µs too")])
def test_a_goal_is_reached_or_missed_by_so_much(added, words):
    assert verdict(typical(added), C64) == (C64, "<= 1.8 µs", f"{added:.2f} µs", words)


def test_a_goal_may_be_a_least_value():
    assert verdict(typical(), "requests/s of plain's, c=64, pinned") == (
        "requests/s of plain's, c=64, pinned", ">= 0.75", "0.80",
        "reached; 0.05 to the further goal of 0.85")


def test_latency_goals_look_at_the_constant_rate():
    assert verdict(typical(), "p50 added at 5,000 requests/s, pinned")[2] == "30.00 µs"


def test_memory_of_a_worker_is_what_it_has_more_than_plains():
    assert verdict(typical(), "nginx worker, resident, more than plain's")[2] == "1.50 MB"
    assert verdict(typical(), "idle quotad, resident")[2] == "25.00 MB"


def test_what_was_not_measured_has_no_row():
    whats = [row[0] for row in goals.rows(typical())]
    assert len(whats) == 6
    assert not any("free" in what or "leases" in what for what in whats)


def test_every_goal_can_do_without_its_contenders():
    result = typical()
    for cell in result["cells"]:
        cell["rounds"] = {"plain": cell["rounds"]["plain"]}
    result["memory"] = {state: {"plain": {}} for state in ("idle", "loaded")}
    assert not list(goals.rows(result))
