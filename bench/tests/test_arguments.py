import pytest

from suite import arguments
from suite.contenders import KINDS
from suite.plan import PLANS, Cell


def test_without_words_it_is_the_quick_one_of_everybody():
    options = arguments.parse([])
    assert (options.mode, options.rounds, options.seconds) == ("quick", 5, 1)
    assert options.only == list(KINDS)
    assert options.out.parts[-3:] == ("build", "bench", "quick")


def test_words_change_it():
    options = arguments.parse(["full", "--only", "quotagate", "--rounds", "7", "--seconds", "0.5",
                               "--save", "mine"])
    assert options.only == ["plain", "quotagate"]
    assert (options.rounds, options.seconds) == (7, 0.5)
    assert options.out == arguments.RESULTS / "mine"


@pytest.mark.parametrize("words,named", [
    (["fast"], "fast"), (["--only", "envoy"], "envoy"), (["--only", ","], "','"),
    (["--rounds", "0"], "'0'"), (["--rounds", "-1"], "--rounds"), (["--rounds", "1.5"], "'1.5'"),
    (["--seconds", "nan"], "'nan'"), (["--seconds", "0"], "'0'"), (["--seconds", "an"], "'an'"),
    (["--save", "../up"], "'../up'"), (["--save", ""], "''"), (["--dance"], "--dance"),
    (["--out", "/tmp/x", "--save", "x"], "--out and --save"),
    (["--against", "/no/such.json"], "/no/such.json"), (["--round=3"], "--round=3")])
def test_bad_words_get_one_sentence(words, named, capsys):
    with pytest.raises(SystemExit) as ended:
        arguments.parse(words)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("run.sh: ") and said.count("\n") == 1
    assert named in said and "--help" in said


def test_the_full_plan_ends_within_half_an_hour():
    plan = PLANS["full"]
    seconds = sum(cell.seconds(plan.seconds) for cell in plan.cells(["pinned", "free"]))
    assert seconds * plan.rounds * len(KINDS) < 27 * 60


def test_a_plan_keeps_placements_together():
    cells = PLANS["quick"].cells(["pinned", "free"])
    assert cells == [Cell("pinned", "static", 64), Cell("pinned", "static", 64, 5000),
                     Cell("free", "static", 64), Cell("free", "static", 64, 5000)]
