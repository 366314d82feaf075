"""A Redis that comes back empty, or as it was some time ago, is told again what was used."""

import time

import pytest

from harness.load import Load
from harness.months import BUCKET, GATEWAYS, MONTH, assert_settled, find, spend
from harness.outage import ready_for_outages
from harness.process import wait_until


@pytest.fixture(name="ready")
def fixture_ready(stack):
    return lambda store_lost: ready_for_outages(stack, store_lost, BUCKET, month=MONTH,
                                                with_nginx=False)


def test_an_emptied_redis_is_told_again_what_was_used(ready, say):
    world = ready("deny")
    ledger = spend(world)
    # What lay in memory alone is gone: the log is removed with it.
    world.redis.restart(empty=True)
    wait_until(lambda: admits(world, ledger), "requests are admitted")
    find(world)
    spend(world, ledger)
    assert_settled(world, ledger, say)


def admits(world, ledger):
    before = ledger.admitted()
    spend(world, ledger, units=60)
    return ledger.admitted() > before


def test_a_redis_that_lost_its_last_writes_is_told_again(ready, say):
    world = ready("deny")
    ledger = spend(world)
    world.redis.client().save()
    spend(world, ledger)
    world.redis.restart_from_snapshot()
    wait_until(lambda: admits(world, ledger), "requests are admitted")
    find(world)
    spend(world, ledger)
    assert_settled(world, ledger, say)


def pause(redis):
    redis.pause()
    return redis.resume


def empty(redis):
    redis.kill9()
    return lambda: redis.restart(empty=True)


def roll_back(redis):
    redis.kill9()
    return redis.restart_from_snapshot


@pytest.mark.parametrize("fault", [pause, empty, roll_back])
def test_a_quota_that_runs_out_is_not_exceeded_whatever_redis_forgets(stack, say, fault):
    quota = 3000
    world = ready_for_outages(stack, "deny", BUCKET, month=quota, with_nginx=False)
    with Load.streams(world.quotads, rate=500, batch=5) as load:
        load.wait_for(lambda: load.ledger.admitted() >= quota / 3, "a part is spent")
        world.redis.client().save()
        load.wait_for(lambda: load.ledger.admitted() >= quota / 2, "and a part that is forgotten")
        repair = fault(world.redis)
        for number in range(GATEWAYS):
            load.wait_for(lambda number=number: load.ledger.reasons(
                gateway=number)["store_unavailable"] > 0, "every gateway denies")
        repair()
        load.wait_for(lambda: load.ledger.admitted() >= quota, "the month is used up")
        full = time.monotonic()
        load.wait_for(lambda: all(load.ledger.checks(gateway=number, since=full) >= 100
                                  for number in range(GATEWAYS)), "every gateway denies more")
    say(admitted=load.ledger.admitted(), allowed=quota)
    assert load.ledger.admitted() == quota
