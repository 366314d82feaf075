"""Usage for the bill, in Redis: two quotads add to it, and nothing that happens to Redis, or to
them while it is away, is lost or counted twice."""

import sqlite3

import pytest

from harness.outage import outage_flags
from harness.process import wait_until
from harness.quotad import consumer, policy
from harness.usage import Users, assert_kept_between, kept, wait_until_kept

CHECKS = [
    {"method": "GET", "path": b"/identify", "api_key": b"acme-key"},
    {"method": "GET", "path": b"/compare", "api_key": b"acme-key", "hits": 2},
    {"method": "GET", "path": b"/identify", "api_key": b"big-key"},
    {"method": "GET", "path": b"/else", "api_key": b"small-key"},
]
FLUSHED = 2.0  # seconds; a flush a second, and time for the flush itself


def usage_policy():
    return policy([consumer("acme", "pro"), consumer("big", "enterprise"),
                   consumer("small", "free")],
                  tiers={"free": {"requests_per_minute": 10},
                         "pro": {"requests_per_minute": 1_000_000, "monthly_quota": 1_000_000_000},
                         "enterprise": {"unlimited": True}}, store_lost="local_share")


@pytest.fixture(name="redis")
def fixture_redis(stack):
    return stack.redis(appendonly=True)


@pytest.fixture(name="quotads")
def fixture_quotads(stack, redis):
    return stack.quotads(2, usage_policy(), redis.url, store_timeout_ms=50, flags=outage_flags())


def is_pending(quotad):
    return quotad.metrics().sum("quota_usage_pending") > 0


def journalled(quotad):
    """Requests that wait in the journal."""
    with sqlite3.connect(f"file:{quotad.usage_journal_path}?mode=ro", uri=True) as database:
        (requests,) = database.execute("SELECT sum(requests) FROM usage_journal").fetchone()
    database.close()
    return requests or 0


def test_quotads_add_to_one_sum(quotads):
    with Users([*quotads, *quotads], CHECKS) as users:
        users.wait_for(4000)
    account = users.stop()
    wait_until_kept(quotads[0], account)
    assert kept(quotads[1]) == account.sums()


def test_restarts_under_load_lose_nothing_that_was_told(quotads):
    with Users(quotads, CHECKS) as users:
        for quotad in quotads:
            users.wait_for(500)
            quotad.stop()
            quotad.start()
        users.wait_for(500)
    account = users.stop()
    for quotad in quotads:
        quotad.stop()
        quotad.start()
    assert_kept_between(kept(quotads[0]), account.sums(), account.requests_sent())


def lose_by_pause(redis):
    redis.pause()
    return redis.resume


def lose_by_kill(redis):
    redis.kill9()
    return redis.restart


@pytest.mark.parametrize("lose", [lose_by_pause, lose_by_kill])
def test_an_outage_of_redis_loses_nothing(quotads, redis, lose):
    with Users(quotads, CHECKS) as users:
        users.wait_for(1000)
        find = lose(redis)
        wait_until(lambda: all(map(is_pending, quotads)), "usage waits for Redis")
        users.wait_for(1000)
        find()
        users.wait_for(1000)
    account = users.stop()
    wait_until_kept(quotads[0], account)
    wait_until(lambda: not any(map(is_pending, quotads)), "nothing waits any more")
    assert kept(quotads[1]) == account.sums()


def test_many_short_outages_lose_nothing(quotads, redis):
    with Users(quotads, CHECKS) as users:
        for turn in range(6):
            users.wait_for(300)
            redis.pause()
            # Now and then just long enough for answers to be given up, now and then not.
            wait_until(lambda: all(map(is_pending, quotads)) or turn % 2 == 0, "usage waits")
            redis.resume()
    account = users.stop()
    wait_until_kept(quotads[0], account)


def test_what_a_quotad_could_not_tell_before_it_was_stopped_is_told_by_the_next(quotads, redis):
    with Users(quotads, CHECKS) as users:
        users.wait_for(1000)
        redis.kill9()
        users.wait_for(1000)
    account = users.stop()
    quotads[0].stop()
    redis.restart()
    quotads[0].start()
    wait_until_kept(quotads[1], account)


def test_kill_9_in_an_outage_loses_nothing_that_was_written_down(quotads, redis):
    with Users(quotads, CHECKS) as users:
        users.wait_for(1000)
    wait_until_kept(quotads[0], users.stop())
    redis.kill9()
    before = users.account.requests()
    with Users(quotads, CHECKS, users.account) as users:
        users.wait_for(1000)
    account = users.stop()
    wait_until(lambda: sum(map(journalled, quotads)) == account.requests() - before,
               "the journals have everything")
    for quotad in quotads:
        quotad.kill()
    redis.restart()
    for quotad in quotads:
        quotad.start()
    wait_until_kept(quotads[0], account)
    wait_until(lambda: not any(map(journalled, quotads)), "the journals are empty")


def test_kill_9_under_load_in_an_outage_loses_at_most_the_last_flush(quotads, redis):
    with Users(quotads, CHECKS) as users:
        users.wait_for(1000)
        redis.kill9()
        for quotad in quotads:
            wait_until(lambda quotad=quotad: is_pending(quotad), "usage waits for Redis")
        cut = users.wait_until_told_before(2000, FLUSHED)
        for quotad in quotads:
            quotad.kill()
    account = users.stop()
    redis.restart()
    for quotad in quotads:
        quotad.start()
    wait_until(lambda: not any(map(is_pending, quotads)), "everything is told")
    assert_kept_between(kept(quotads[0]), account.sums(until=cut), account.requests_sent())


def test_kill_9_with_redis_loses_at_most_the_last_flush(quotads):
    with Users(quotads, CHECKS) as users:
        cut = users.wait_until_told_before(1000, FLUSHED)
        for quotad in quotads:
            quotad.kill()
    account = users.stop()
    for quotad in quotads:
        quotad.start()
    assert_kept_between(kept(quotads[0]), account.sums(until=cut), account.requests_sent())


def test_a_redis_that_comes_back_older_is_told_again(quotads, redis):
    with Users(quotads, CHECKS) as users:
        users.wait_for(1000)
        redis.client().save()
        users.wait_for(1000)
        redis.restart_from_snapshot()
        users.wait_for(500)
    account = users.stop()
    wait_until_kept(quotads[0], account)


def test_a_redis_that_is_full_is_told_when_there_is_room_again(quotads, redis):
    with Users(quotads, CHECKS) as users:
        users.wait_for(500)
        redis.client().config_set("maxmemory", 1)
        wait_until(lambda: all(map(is_pending, quotads)), "usage waits for Redis")
        wait_until(lambda: "usage is kept until Redis takes it" in quotads[0].log(), "it says so")
        users.wait_for(500)
        redis.client().config_set("maxmemory", 0)
    account = users.stop()
    wait_until_kept(quotads[0], account)
    assert quotads[0].metrics().sum("quota_usage_flush_total", result="error") > 0


def test_without_redis_nobody_is_told_a_wrong_sum(quotads, redis):
    redis.kill9()
    status, headers, body = quotads[0].ask("GET", "/v1/usage")
    assert status == 503, body
    assert headers["Content-Type"] == "application/problem+json"
    done = quotads[0].ctl("usage", token=None)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Redis" in done.stderr


def test_without_a_journal_a_stop_says_what_is_lost(stack, redis):
    quotad = stack.quotad(usage_policy(), store=redis.url, journal=False, flags=outage_flags())
    redis.kill9()
    quotad.check(**CHECKS[2])
    quotad.terminate()
    process, quotad.process = quotad.process, None
    assert process.wait() == 1
    assert "store_journal" in process.log()


def test_the_keys_of_a_month_are_few_and_have_an_end(quotads, redis):
    for check in CHECKS:
        quotads[0].check(**check)
    wait_until(lambda: len(kept(quotads[0])) == 4, "all of it is kept")
    keys = redis.client().keys("quota:{usage:*}:*")
    assert {key.split(":", 4)[4] for key in keys if key.count(":") == 4} == {"acme", "big", "small"}
    assert all(redis.client().ttl(key) > 0 for key in keys)
