"""The mode is switched while quotad runs, and stays switched: with the embedded store."""

import json

import pytest

from harness.process import wait_until
from harness.quotad import consumer, policy

OK, ERROR, NOT_PERMITTED = 0, 1, 4
TIGHT = {"only": {"requests_per_minute": 1}}


def tight_policy(**changes):
    """A second request within a minute is denied."""
    return policy([consumer("acme", "only")], tiers=TIGHT, default_tier="only", burst=2,
                  **changes)


@pytest.fixture(name="quotad")
def fixture_quotad(stack):
    return stack.quotad(tight_policy())


def ask(quotad):
    return quotad.check(method="GET", path=b"/identify", api_key=b"acme-key")


def exhaust(quotad):
    wait_until(lambda: ask(quotad).outcome != 1, "a check is denied")


def said(done):
    assert done.returncode == OK, done.stderr
    return json.loads(done.stdout)


def test_shadow_refuses_nobody_and_enforce_does_again(quotad):
    exhaust(quotad)
    assert said(quotad.ctl("mode", "shadow", "--json"))["mode"] == "shadow"
    verdict = ask(quotad)
    assert (verdict.outcome, verdict.shadow) == (1, True)
    assert said(quotad.ctl("mode", "enforce", "--json"))["source"] == "override"
    assert ask(quotad).outcome == 2


def test_off_counts_nothing_and_policy_gives_it_back(quotad):
    said(quotad.ctl("mode", "off", "--json"))
    for _ in range(10):
        assert ask(quotad).reason == "off"
    mode = said(quotad.ctl("mode", "policy", "--json"))
    assert (mode["mode"], mode["source"]) == ("enforce", "policy")
    assert quotad.get_json("/v1/quota/acme")["minute"]["remaining"] == 1


def test_it_says_what_is_in_force(quotad):
    done = quotad.ctl("mode", token=None)
    assert done.returncode == OK
    assert "enforce" in done.stdout
    assert "the policy" in done.stdout
    said(quotad.ctl("mode", "shadow", "--json"))
    assert quotad.metrics().sum("quota_mode_info", mode="shadow", source="override") == 1
    assert "warning mode shadow is in force: it was set, and the policy says enforce" \
        in quotad.log()
    text = quotad.ctl("mode").stdout
    assert "shadow" in text and "UTC" in text
    said(quotad.ctl("mode", "policy", "--json"))
    assert "info mode enforce is in force: no other is set than the policy's" in quotad.log()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_it_survives_a_restart(quotad, how):
    before = said(quotad.ctl("mode", "shadow", "--json"))
    getattr(quotad, how)()
    quotad.start()
    assert said(quotad.ctl("mode", "--json")) == before
    exhaust_in_shadow = [ask(quotad).outcome for _ in range(5)]
    assert exhaust_in_shadow == [1] * 5
    said(quotad.ctl("mode", "policy", "--json"))
    getattr(quotad, how)()
    quotad.start()
    assert said(quotad.ctl("mode", "--json"))["source"] == "policy"


def test_it_rules_over_a_reloaded_policy(quotad):
    said(quotad.ctl("mode", "shadow", "--json"))
    quotad.set_policy(tight_policy(mode="off"))
    assert quotad.ctl("reload").returncode == OK
    mode = said(quotad.ctl("mode", "--json"))
    assert (mode["mode"], mode["policy_mode"]) == ("shadow", "off")


def test_local_lasts_until_the_restart(quotad):
    mode = said(quotad.ctl("mode", "off", "--local", "--json"))
    assert (mode["mode"], mode["scope"]) == ("off", "local")
    assert "this quotad only" in quotad.ctl("mode").stdout
    quotad.stop()
    quotad.start()
    assert said(quotad.ctl("mode", "--json"))["mode"] == "enforce"


def test_bad_words_are_refused(quotad):
    done = quotad.ctl("mode", "on")
    assert done.returncode == ERROR
    assert "on" in done.stderr
    assert quotad.ctl("mode", "--local").returncode == ERROR
    assert said(quotad.ctl("mode", "--json"))["mode"] == "enforce"


@pytest.mark.parametrize("words", [["off"], ["off", "--local"]])
def test_it_needs_the_token(quotad, words):
    for token in (None, "a-wrong-token-0000"):
        assert quotad.ctl("mode", *words, token=token).returncode == NOT_PERMITTED
    assert said(quotad.ctl("mode", "--json"))["mode"] == "enforce"
