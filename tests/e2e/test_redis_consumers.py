"""Consumers that are managed at one gateway are known, changed and gone at every other within a
second, and those that are known stay known when Redis is away."""

import json
import time

import pytest

from harness.outage import are_back, are_degraded, outage_flags
from harness.process import wait_until
from harness.quotad import consumer, policy

GATEWAYS = 3
WITHIN = 1.0
ADDRESS = bytes([192, 0, 2, 7])


def text(store_lost="local_share"):
    return policy([consumer("probe", "pro")], store_lost=store_lost)


@pytest.fixture(name="redis")
def fixture_redis(stack):
    return stack.redis(tcp=True, appendonly=True)


@pytest.fixture(name="quotads")
def fixture_quotads(stack, redis):
    return stack.quotads(GATEWAYS, text(), redis.url, flags=outage_flags())


def ask(quotad, key, **more):
    return quotad.check(method="GET", path=b"/identify", api_key=key.encode(), client_ip=ADDRESS,
                        **more)


def add(quotad, name, *words):
    """Returns its key."""
    done = quotad.ctl("consumer", "add", name, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["api_key"]


def assert_everywhere(quotads, condition, say):
    """Within a second of now."""
    begin = time.monotonic()
    for quotad in quotads:
        wait_until(lambda quotad=quotad: condition(quotad), "every gateway has it", timeout=5)
    seconds = time.monotonic() - begin
    say(seconds_until_everywhere=f"{seconds:.3f}", allowed=WITHIN)
    assert seconds <= WITHIN


def test_a_new_consumer_is_known_everywhere(quotads, say):
    key = add(quotads[0], "new", "--tier", "pro")
    assert_everywhere(quotads, lambda quotad: ask(quotad, key).consumer == b"new", say)
    assert {ask(quotad, key).tier for quotad in quotads} == {"pro"}


def test_a_key_is_known_at_first_sight(quotads):
    key = add(quotads[0], "new")
    for quotad in quotads:
        assert ask(quotad, key).consumer == b"new"


def test_a_key_that_was_unknown_a_moment_ago_is_known_everywhere(quotads, say):
    key = add(quotads[0], "new")
    assert quotads[0].ctl("consumer", "revoke", "new").returncode == 0
    for quotad in quotads:
        wait_until(lambda quotad=quotad: ask(quotad, key).tier == "anonymous", "it is unknown")
    # The same key once more, by its hash.
    digest = consumer("new", key=key)["api_keys_sha256"]
    status, _, body = quotads[1].ask("PUT", "/v1/consumers/new",
                                     {"tier": "pro", "add_key_sha256": digest})
    assert status == 201, body
    assert_everywhere(quotads, lambda quotad: ask(quotad, key).consumer == b"new", say)


def test_a_revoked_consumer_is_gone_everywhere(quotads, say):
    key = add(quotads[0], "new")
    for quotad in quotads:
        assert ask(quotad, key).consumer == b"new"
    assert quotads[1].ctl("consumer", "revoke", "new").returncode == 0
    assert_everywhere(quotads, lambda quotad: ask(quotad, key).tier == "anonymous", say)
    for quotad in quotads:
        assert quotad.ctl("get", "new").returncode == 1


def test_one_key_is_revoked_everywhere_and_the_other_stays(quotads, say):
    first = add(quotads[0], "new")
    done = quotads[1].ctl("consumer", "add-key", "new", "--json")
    second = json.loads(done.stdout)["api_key"]
    key_id = json.loads(done.stdout)["consumer"]["api_keys"]
    first_id = consumer("new", key=first)["api_keys_sha256"][0][:8]
    assert first_id in json.dumps(key_id)
    for quotad in quotads:
        wait_until(lambda quotad=quotad: {ask(quotad, first).consumer, ask(quotad, second).consumer}
                   == {b"new"}, "both keys are known")
    assert quotads[2].ctl("consumer", "revoke", "new", "--key", first_id).returncode == 0
    assert_everywhere(quotads, lambda quotad: ask(quotad, first).tier == "anonymous", say)
    assert {ask(quotad, second).consumer for quotad in quotads} == {b"new"}


def test_a_changed_tier_is_in_force_everywhere(quotads, say):
    key = add(quotads[0], "new", "--tier", "free")
    assert {ask(quotad, key).minute.limit for quotad in quotads} == {100}
    assert quotads[2].ctl("set-tier", "new", "pro").returncode == 0
    assert_everywhere(quotads, lambda quotad: ask(quotad, key).minute.limit == 1000, say)


def test_a_changed_limit_is_in_force_everywhere(quotads, say):
    key = add(quotads[0], "new", "--tier", "free")
    assert {ask(quotad, key).minute.limit for quotad in quotads} == {100}
    status, _, body = quotads[1].ask("PUT", "/v1/consumers/new",
                                     {"overrides": {"requests_per_minute": 5000}})
    assert status == 200, body
    assert_everywhere(quotads, lambda quotad: ask(quotad, key).minute.limit == 5000, say)


def test_every_gateway_lists_the_same(quotads):
    for number, quotad in enumerate(quotads):
        add(quotad, f"of-{number}")
    for quotad in quotads:
        listed = json.loads(quotad.ctl("consumer", "list", "--json").stdout)
        assert {entry["id"] for entry in listed} == {"probe", "of-0", "of-1", "of-2"}


def test_a_name_can_be_taken_once_in_all(quotads):
    add(quotads[0], "new")
    done = quotads[1].ctl("consumer", "add", "new")
    assert done.returncode == 1
    assert "new" in done.stderr


def test_a_gateway_that_is_started_afterwards_knows_all(stack, redis, quotads):
    key = add(quotads[0], "new", "--tier", "pro")
    gone = add(quotads[0], "gone")
    assert quotads[0].ctl("consumer", "revoke", "gone").returncode == 0
    late = stack.quotad(text(), store=redis.url, flags=outage_flags())
    assert ask(late, key).consumer == b"new"
    assert ask(late, gone).tier == "anonymous"


def test_unknown_keys_are_not_asked_for_again_and_again(redis, quotads, say):
    def lookups():
        stats = redis.client().info("commandstats")
        # Of the store of consumers: not leases, and nothing that goes on by itself.
        others = ("eval", "evalsha", "ping", "info", "time", "script|load", "exists", "hgetall",
                  "hset", "hdel", "hmget", "pexpire", "pexpireat")
        calls = {name: value["calls"] for name, value in stats.items()}
        return sum(count for name, count in calls.items()
                   if name.removeprefix("cmdstat_") not in others), calls
    ask(quotads[0], "unknown-0")
    before, _ = lookups()
    for _ in range(300):
        assert ask(quotads[0], "unknown-0").consumer == b""
    after, calls = lookups()
    say(checks=300, lookups=after - before)
    assert after - before <= 15, calls


def test_random_keys_fill_neither_memory_nor_redis(redis, quotads):
    for number in range(2000):
        assert ask(quotads[0], f"random-{number}").consumer == b""
    metrics = quotads[0].metrics()
    assert metrics.sum("quota_subjects", kind="consumer") <= 1
    assert redis.client().dbsize() < 50


@pytest.mark.parametrize("store_lost", ["local_share", "allow", "deny"])
def test_known_consumers_stay_known_while_redis_is_away(stack, redis, store_lost):
    quotads = stack.quotads(2, text(store_lost), redis.url, store_timeout_ms=5,
                            flags=outage_flags())
    key = add(quotads[0], "new", "--tier", "pro")
    for quotad in quotads:
        wait_until(lambda quotad=quotad: ask(quotad, key).consumer == b"new", "it is known")
    redis.pause()
    wait_until(lambda: are_degraded(quotads), "every gateway is degraded")
    for quotad in quotads:
        verdict = ask(quotad, key)
        assert (verdict.consumer, verdict.tier) == (b"new", "pro")
        # One that has not been seen cannot be looked up; it is nobody's, and waits for nobody.
        begin = time.monotonic()
        assert ask(quotad, "never-seen").consumer == b""
        assert time.monotonic() - begin < 0.5
        done = quotad.ctl("consumer", "add", "other")
        assert done.returncode == 1
        assert "Redis cannot be reached" in done.stderr
    redis.resume()
    wait_until(lambda: are_back(quotads), "every gateway is back")
    assert ask(quotads[1], add(quotads[0], "later")).consumer == b"later"


def test_a_gateway_that_was_cut_off_learns_what_has_changed(stack, redis, quotads, say):
    proxy = stack.slow_proxy(redis)
    cut_off = stack.quotad(text(), store=proxy.url, store_timeout_ms=5, flags=outage_flags())
    revoked = add(quotads[0], "revoked")
    moved = add(quotads[0], "moved", "--tier", "free")
    for key in (revoked, moved):
        wait_until(lambda key=key: ask(cut_off, key).tier == "free", "it is known")
    proxy.refusing = True
    proxy.drop()
    wait_until(lambda: are_degraded([cut_off]), "it is cut off")
    assert quotads[0].ctl("consumer", "revoke", "revoked").returncode == 0
    assert quotads[0].ctl("set-tier", "moved", "pro").returncode == 0
    proxy.refusing = False
    wait_until(lambda: are_back([cut_off]), "it is back")
    assert_everywhere([cut_off], lambda quotad: (ask(quotad, revoked).tier, ask(quotad, moved).tier)
                      == ("anonymous", "pro"), say)


def test_consumers_are_kept_by_their_hash_alone(redis, quotads):
    key = add(quotads[0], "new")
    wait_until(lambda: ask(quotads[1], key).consumer == b"new", "it is known")
    redis.client().bgrewriteaof()
    redis.stop()
    for path in redis.directory.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), f"{path.name} holds the key"
