"""Three gateways, one Redis, one limit: in sum they admit what a single gateway would admit."""

import math
import signal
import time

import pytest

from harness.accounting import Bucket, Ledger, over_admission
from harness.client import Connection
from harness.load import Load, entry_of
from harness.outage import outage_flags
from harness.process import wait_until
from harness.quotad import consumer, policy

FREE = Bucket(100)
CHECK = {"method": "GET", "path": b"/identify", "api_key": b"acme-key"}
GATEWAYS = 3


@pytest.fixture(name="redis")
def fixture_redis(stack):
    return stack.redis()


@pytest.fixture(name="exact", params=[False, True], ids=["leases", "exact"])
def fixture_exact(request):
    return request.param


def start(stack, redis, exact, text=None, ttl_ms=1000):
    return stack.quotads(GATEWAYS, text or policy([consumer("acme", "free")]), redis.url,
                         flags=outage_flags(store_exact=str(exact).lower(),
                                            store_lease_ttl_ms=ttl_ms))


def tier(per_minute, month=None, burst=1.5):
    limits = {"requests_per_minute": per_minute}
    if month:
        limits["monthly_quota"] = month
    return policy([consumer("acme", "some")], default_tier="some", burst=burst,
                  tiers={"some": limits})


def assert_not_too_much(say, ledger, bucket, **figures):
    admitted = ledger.admitted()
    seconds = ledger.end() - ledger.begin()
    over = over_admission(ledger.entries(), bucket)
    say(admitted=admitted, allowed=bucket.per_minute + bucket.rate * seconds, seconds=seconds,
        over_admission=over, **figures)
    assert over == 0


@pytest.mark.parametrize("path, cost, expected", [("/identify", 1, 100), ("/compare", 2, 50)])
def test_150_requests_in_turn_over_three_gateways(stack, redis, say, exact, path, cost, expected):
    nginxes = [stack.gateway(quotad, "quota_timeout 20s;")
               for quotad in start(stack, redis, exact)]
    connections = [Connection(nginx) for nginx in nginxes]
    ledger = Ledger()
    for number in range(150):
        sent = time.monotonic()
        answer = connections[number % GATEWAYS].ask(path, key="acme-key")
        assert answer.status in (200, 429)
        ledger.add(entry_of(answer, sent, time.monotonic(), number % GATEWAYS, "acme", cost))
    for connection in connections:
        connection.close()

    allowed = ledger.checks(allowed=True)
    assert_not_too_much(say, ledger, FREE, allowed_requests=allowed,
                        denied_requests=150 - allowed)
    # What flows in meanwhile may be spent as well.
    refilled = FREE.rate * (ledger.end() - ledger.begin())
    assert expected <= allowed <= math.floor((100 + refilled) / cost)


def test_150_requests_at_once_over_three_gateways(stack, redis, say, exact):
    quotads = start(stack, redis, exact)
    with Load.streams(quotads, rate=1000, batch=50) as load:
        load.wait_for(lambda: load.ledger.checks() >= 150, "150 requests are answered")
        # What one gateway took and did not need comes back to the others.
        load.wait_for(lambda: load.ledger.admitted() >= 100, "all of the minute is handed out")
    assert_not_too_much(say, load.ledger, FREE)


def test_one_gateway_alone_gets_all_of_the_limit(stack, redis, say, exact):
    quotads = start(stack, redis, exact)
    for quotad in quotads:
        quotad.check(**CHECK)
    begin = time.monotonic()
    verdicts = [quotads[0].check(**CHECK) for _ in range(100)]
    allowed = GATEWAYS + sum(verdict.reason == "ok" for verdict in verdicts)
    say(admitted=allowed, allowed=100 + FREE.rate * (time.monotonic() - begin))
    # The two others gave one request each; what they still hold they give back when it lies idle.
    wait_until(lambda: quotads[0].check(**CHECK).reason == "minute", "the minute is used up")
    assert allowed >= 90


def test_a_month_is_spent_to_the_last_unit_by_three_gateways_and_not_beyond(
        stack, redis, say, exact):
    quota = 500
    quotads = start(stack, redis, exact, tier(1_000_000, month=quota))
    with Load.streams(quotads, rate=500, batch=5) as load:
        load.wait_for(lambda: load.ledger.admitted() >= quota, "the month is used up")
        full = time.monotonic()
        load.wait_for(lambda: all(
            load.ledger.checks(gateway=number, since=full) >= 200 for number in range(GATEWAYS)),
            "every gateway has denied many more")
    say(admitted=load.ledger.admitted(), allowed=quota)
    assert load.ledger.admitted() == quota
    for quotad in quotads:
        wait_until(lambda quotad=quotad:
                   quotad.get_json("/v1/quota/acme")["used_this_month"] == quota,
                   "every gateway knows that all is used")


def test_a_month_survives_every_gateway(stack, redis, say, exact):
    quotads = start(stack, redis, exact, tier(1_000_000, month=500))
    for quotad in quotads:
        assert quotad.check(hits=50, **CHECK).reason == "ok"
    for quotad in quotads:
        quotad.stop()
        quotad.start()
    remaining = [quotad.check(peek=True, **CHECK).month.remaining for quotad in quotads]
    say(remaining=remaining, expected=350)
    assert remaining == [350] * GATEWAYS


def test_steady_overload_gets_the_limit_and_no_more(stack, redis, say, exact):
    bucket = Bucket(6000, burst=1)
    quotads = start(stack, redis, exact, tier(bucket.per_minute, burst=bucket.burst))
    with Load.streams(quotads, rate=1000, batch=20) as load:
        load.wait_for(lambda: load.ledger.reasons()["minute"] > 500, "the bucket is empty")
        begin, before = time.monotonic(), redis.script_calls()
        load.go_on(3)
        end, after = time.monotonic(), redis.script_calls()
    ledger = load.ledger
    utilisation = ledger.admitted(since=begin, until=end) / (bucket.rate * (end - begin))
    calls = (after - before) / ledger.checks(since=begin, until=end)
    assert_not_too_much(say, ledger, bucket, utilisation=f"{utilisation:.3f}",
                        calls_per_decision=f"{calls:.4f}")
    # Of three seconds, which begin and end in the middle of a lease.
    assert utilisation >= 0.95
    if not exact:
        assert calls <= 0.1
    assert ledger.checks(degraded=True) == 0


def test_a_gateway_that_crashes_takes_no_more_than_its_lease_with_it(stack, redis, say, exact):
    bucket = Bucket(6000, burst=1)
    quotads = start(stack, redis, exact, tier(bucket.per_minute, burst=bucket.burst), ttl_ms=500)
    with Load.streams(quotads, rate=1000, batch=20, restarts=True) as load:
        load.wait_for(lambda: load.ledger.admitted() >= bucket.per_minute / 3, "much is leased")
        quotads[0].kill()
        load.wait_for(lambda: load.ledger.reasons(gateway=1)["minute"] > 0, "the bucket is empty")
        begin = time.monotonic()
        load.go_on(2)
        end = time.monotonic()
        quotads[0].start()
        back = time.monotonic()
        load.wait_for(lambda: load.ledger.admitted(gateway=0, since=back) > 0,
                      "the gateway has its part again")
    ledger = load.ledger
    two = ledger.admitted(since=begin, until=end) / (bucket.rate * (end - begin))
    lost = bucket.per_minute + bucket.rate * (ledger.end() - ledger.begin()) - ledger.admitted()
    assert_not_too_much(say, ledger, bucket, utilisation_of_two=f"{two:.3f}", lost=lost)
    # For the first half second the crashed gateway still counts.
    assert two >= 0.85
    # A lease is half of a gateway's part at most; and one more is under way at the end.
    assert lost <= bucket.per_minute / 4


def test_a_gateway_that_stood_still_spends_nothing_of_a_lease_that_has_ended(
        stack, redis, say, exact):
    bucket = Bucket(6000, burst=1)
    quotads = start(stack, redis, exact, tier(bucket.per_minute, burst=bucket.burst), ttl_ms=300)
    with Load.streams(quotads, rate=1000, batch=20) as load:
        for _ in range(3):
            so_far = load.ledger.admitted()
            load.wait_for(lambda so_far=so_far: load.ledger.admitted() > so_far + 600, "a part is spent")
            quotads[0].process.send(signal.SIGSTOP)
            load.go_on(0.5)
            quotads[0].process.send(signal.SIGCONT)
        load.wait_for(lambda: load.ledger.reasons()["minute"] > 500, "the bucket is empty")
    assert_not_too_much(say, load.ledger, bucket)


def test_a_reset_reaches_every_gateway(stack, redis, exact):
    quotads = start(stack, redis, exact)
    for quotad in quotads:
        wait_until(lambda quotad=quotad: quotad.check(**CHECK).reason == "minute",
                   "the minute is used up")
    assert quotads[0].ctl("reset", "acme").returncode == 0
    for quotad in quotads:
        wait_until(lambda quotad=quotad: quotad.check(**CHECK).reason == "ok",
                   "requests are admitted again", timeout=3)
    # A gateway that still held a lease hears of the reset with its next call of Redis.
    wait_until(lambda: quotads[1].check(peek=True, **CHECK).minute.remaining > 70,
               "what remains is told as after the reset", timeout=3)


def test_what_remains_is_told_alike_by_every_gateway(stack, redis, say, exact):
    quotads = start(stack, redis, exact)
    begin = time.monotonic()
    assert quotads[0].check(hits=60, **CHECK).reason == "ok"
    verdicts = [quotad.check(peek=True, **CHECK) for quotad in quotads]
    most = 40 + math.ceil(FREE.rate * (time.monotonic() - begin))
    say(minute_remaining=[verdict.minute.remaining for verdict in verdicts],
        month_remaining=[verdict.month.remaining for verdict in verdicts], at_most=most)
    for verdict in verdicts:
        assert verdict.minute.remaining <= most
        assert 46_000 < verdict.month.remaining <= 49_940


def test_databases_of_one_server_are_apart(stack):
    redis = stack.redis(tcp=True)
    one, other = (stack.quotad(policy([consumer("acme")]), store=f"{redis.url}/{database}")
                  for database in (1, 2))
    assert one.check(hits=100, **CHECK).reason == "ok"
    assert one.check(hits=100, **CHECK).reason == "minute"
    assert other.check(hits=100, **CHECK).reason == "ok"
    assert redis.client().dbsize() == 0
