"""All gateways are restarted one after the other under load: what is admitted is the limit, no more
and, but for what one lease may hold for its ttl, no less."""

import pytest

from harness.accounting import Bucket, over_admission
from harness.load import Load
from harness.outage import outage_flags, outage_policy

BUCKET = Bucket(6000, burst=1)
TTL = 1.0


@pytest.fixture(name="quotads")
def fixture_quotads(stack):
    return stack.quotads(3, outage_policy("deny", BUCKET, month=10_000_000), stack.redis().url,
                         flags=outage_flags(store_lease_ttl_ms=round(TTL * 1000)))


def stop_politely(quotad):
    quotad.stop()


def kill(quotad):
    quotad.kill()


def restart_all(quotads, load, end):
    for number, quotad in enumerate(quotads):
        before = load.ledger.checks(gateway=number)
        end(quotad)
        quotad.start()
        load.wait_for(lambda number=number, before=before:
                      load.ledger.checks(gateway=number) > before, "a gateway decides again")


def account(say, ledger):
    allowed = BUCKET.per_minute + BUCKET.rate * (ledger.end() - ledger.begin())
    over = over_admission(ledger.entries(), BUCKET)
    say(admitted=ledger.admitted(), allowed=allowed, lost=allowed - ledger.admitted(),
        over_admission=over)
    assert over == 0
    return allowed


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_rolling_restart_admits_the_limit(quotads, say, rounds):
    with Load.streams(quotads, rate=1500, batch=30, restarts=True) as load:
        # While the bucket is full and leases are large, and (later) when it is empty.
        load.wait_for(lambda: load.ledger.admitted() >= BUCKET.per_minute / 10, "much is leased")
        for _ in range(rounds):
            restart_all(quotads, load, stop_politely)
        load.wait_for(lambda: load.ledger.reasons()["minute"] > 100, "the bucket is empty")
        load.go_on(2)
    allowed = account(say, load.ledger)
    # A batch per gateway and restart may have been admitted without its client hearing of it.
    unheard = 30 * len(quotads) * rounds
    assert load.ledger.admitted() >= allowed - BUCKET.rate * TTL - unheard
    assert load.ledger.checks(degraded=True) == 0


def test_gateways_that_crash_one_after_the_other_admit_no_more(quotads, say):
    with Load.streams(quotads, rate=1500, batch=30, restarts=True) as load:
        load.wait_for(lambda: load.ledger.admitted() >= BUCKET.per_minute / 10, "much is leased")
        for _ in range(2):
            restart_all(quotads, load, kill)
        load.wait_for(lambda: load.ledger.reasons()["minute"] > 100, "the bucket is empty")
        load.go_on(2)
    account(say, load.ledger)


def test_a_gateway_that_joins_under_load_gets_its_part(stack, quotads, say):
    fourth = stack.quotad(outage_policy("deny", BUCKET, month=10_000_000), store=quotads[0].store,
                          flags=outage_flags(), start=False)
    with Load.streams([*quotads, fourth], rate=1000, batch=20, restarts=True) as load:
        load.wait_for(lambda: load.ledger.reasons()["minute"] > 100, "the bucket is empty")
        fourth.start()
        load.wait_for(lambda: load.ledger.admitted(gateway=3) > BUCKET.rate / 8,
                      "the newcomer admits as well")
    account(say, load.ledger)
