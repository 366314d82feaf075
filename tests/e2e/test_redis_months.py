"""The month's count is exact, whatever happens to Redis: what is spent without it is written down
and told once, also when quotad is restarted meanwhile."""

import pytest

from harness.months import (BUCKET, GATEWAYS, MONTH, ask_for_many, assert_settled, find, lose,
                            restart, spend, used)
from harness.outage import ready_for_outages
from harness.process import wait_until


@pytest.fixture(name="ready")
def fixture_ready(stack):
    return lambda store_lost: ready_for_outages(stack, store_lost, BUCKET, month=MONTH,
                                                with_nginx=False)


@pytest.mark.parametrize("store_lost", ["deny", "local_share", "allow"])
def test_what_is_spent_without_redis_is_settled_when_it_is_back(ready, say, store_lost):
    world = ready(store_lost)
    ledger = spend(world)
    world.redis.pause()
    lose(world)
    spend(world, ledger)
    world.redis.resume()
    find(world)
    spend(world, ledger)
    assert_settled(world, ledger, say)


def test_a_gateway_that_is_restarted_meanwhile_settles_as_well(ready, say):
    world = ready("allow")
    ask_for_many(world)
    ledger = spend(world)
    world.redis.pause()
    lose(world)
    spend(world, ledger)
    restart(world.quotads[:2])
    lose(world)
    spend(world, ledger)
    world.redis.resume()
    find(world)
    spend(world, ledger)
    assert_settled(world, ledger, say)


def test_what_is_settled_once_is_not_settled_again(ready, say):
    world = ready("allow")
    ledger = spend(world)
    world.redis.kill9()
    lose(world)
    spend(world, ledger)
    restart(world.quotads[:1])
    world.redis.restart()
    find(world)
    assert_settled(world, ledger, say)
    restart(world.quotads)
    find(world)
    world.redis.pause()
    lose(world)
    world.redis.resume()
    find(world)
    spend(world, ledger)
    assert_settled(world, ledger, say)


def test_a_gateway_that_crashes_without_redis_forgets_nothing(ready, say):
    world = ready("allow")
    ask_for_many(world)
    ledger = spend(world)
    world.redis.pause()
    lose(world)
    spend(world, ledger)
    spent = ledger.admitted()
    restart(world.quotads, crash=True)
    world.redis.resume()
    find(world)
    # What a crashed gateway held is burned: the count may be too high, and never too low.
    try:
        wait_until(lambda: min(map(used, world.quotads)) >= spent, f"{spent} units are settled",
                   timeout=10)
    finally:
        seen = [used(quotad) for quotad in world.quotads]
        say(admitted=spent, used_this_month=seen)
    assert max(seen) <= spent + GATEWAYS * MONTH / 16
