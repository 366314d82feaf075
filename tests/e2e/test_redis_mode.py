"""The mode is switched at one gateway, and every other follows within a second and stays there."""

import json
import time

import pytest

from harness.outage import outage_flags
from harness.process import wait_until
from harness.quotad import Background, consumer, policy

GATEWAYS = 3
WITHIN = 1.0


@pytest.fixture(name="redis")
def fixture_redis(stack):
    return stack.redis(tcp=True)


@pytest.fixture(name="quotads")
def fixture_quotads(stack, redis):
    return stack.quotads(GATEWAYS, text(), redis.url, flags=outage_flags())


def text():
    return policy([consumer("acme", "pro")], store_lost="local_share")


def mode_of(quotad):
    return quotad.get_json("/v1/mode")["mode"]


def switch(quotad, word, **how):
    status, _, body = quotad.ask("PUT", "/v1/mode" + how.get("query", ""), {"mode": word})
    return status, json.loads(body)


def assert_everywhere(quotads, word):
    begin = time.monotonic()
    for quotad in quotads:
        wait_until(lambda quotad=quotad: mode_of(quotad) == word, f"{word} is in force", timeout=5)
    return time.monotonic() - begin


def test_all_follow_within_a_second_under_load(quotads, say):
    def asked(quotad):
        client = quotad.client()
        return lambda: client.check(method="GET", path=b"/identify", api_key=b"acme-key").reason
    loads = [Background(asked(quotad), threads=1) for quotad in quotads]
    slowest = 0.0
    for number, word in enumerate(["off", "enforce", "shadow", "policy", "off"]):
        assert switch(quotads[number % GATEWAYS], word)[0] == 200
        slowest = max(slowest, assert_everywhere(quotads, "enforce" if word == "policy" else word))
        for load in loads:
            wait_until(lambda load=load, word=word: load.results and
                       (load.results[-1] == "off") == (word == "off"), "decisions follow")
    for load in loads:
        load.stop()
    say(slowest_switch=f"{slowest:.3f}", allowed=WITHIN)
    assert slowest <= WITHIN


def test_who_starts_later_begins_with_it(stack, redis, quotads):
    assert switch(quotads[0], "shadow")[0] == 200
    late = stack.quotad(text(), store=redis.url, flags=outage_flags())
    assert mode_of(late) == "shadow"
    assert late.get_json("/v1/mode") == quotads[0].get_json("/v1/mode")
    quotads[1].kill()
    quotads[1].start()
    assert mode_of(quotads[1]) == "shadow"


def test_a_redis_that_forgot_is_told_again(stack, redis, quotads):
    assert switch(quotads[0], "shadow")[0] == 200
    assert_everywhere(quotads, "shadow")
    redis.restart(empty=True)
    wait_until(lambda: (redis.client().get("quota:{mode}") or "").startswith("shadow"),
               "Redis knows again")
    late = stack.quotad(text(), store=redis.url, flags=outage_flags())
    assert {mode_of(quotad) for quotad in [*quotads, late]} == {"shadow"}


def test_what_changed_while_one_was_cut_off_reaches_it(stack, redis):
    proxy = stack.slow_proxy(redis)
    near = stack.quotad(text(), store=redis.url, flags=outage_flags())
    far = stack.quotad(text(), store=proxy.url, flags=outage_flags())
    proxy.refusing = True
    proxy.drop()
    assert switch(near, "shadow")[0] == 200
    assert mode_of(far) == "enforce"
    proxy.refusing = False
    wait_until(lambda: mode_of(far) == "shadow", "it hears of it")


def test_without_redis_nothing_changes_but_locally(redis, quotads):
    redis.kill9()
    status, problem = switch(quotads[0], "off")
    assert status == 503
    assert "Redis" in problem["detail"]
    assert mode_of(quotads[0]) == "enforce"
    done = quotads[0].ctl("mode", "off")
    assert done.returncode != 0
    status, mode = switch(quotads[0], "off", query="?scope=local")
    assert (status, mode["mode"], mode["scope"]) == (200, "off", "local")
    assert mode_of(quotads[1]) == "enforce"
    redis.restart()
    wait_until(lambda: switch(quotads[1], "shadow")[0] == 200, "Redis is back")
    assert_everywhere(quotads, "shadow")
    assert quotads[0].get_json("/v1/mode")["scope"] == "all"
