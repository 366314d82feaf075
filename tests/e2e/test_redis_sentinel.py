"""Three Redis and three Sentinels: the gateways follow a failover within seconds, and what the old
primary did not pass on in time is nobody's to spend."""

import time

from harness.accounting import Bucket, over_admission
from harness.load import Load
from harness.outage import LEASE_TTL, outage_flags, outage_policy
from harness.process import wait_until

BUCKET = Bucket(6000, burst=1)
MONTH = 10_000_000


def start(stack, sentinels, **variables):
    return stack.quotads(3, outage_policy("deny", BUCKET, MONTH), sentinels.url,
                         store_timeout_ms=5, flags=outage_flags(), variables=variables)


def used(quotad):
    return quotad.get_json("/v1/quota/acme")["used_this_month"]


def connected(server):
    """How many gateways are."""
    return sum(client["name"].startswith("quotad") for client in server.client().client_list())


def fail_over_under_load(say, quotads, sentinels, fault, when_promoted=lambda: None):
    old = sentinels.primary()
    with Load.streams(quotads, rate=1000, batch=20) as load:
        load.wait_for(lambda: load.ledger.admitted() >= BUCKET.per_minute / 3, "much is leased")
        fault(old)
        begin = time.monotonic()
        new = sentinels.wait_for_failover(old)
        promoted = time.monotonic()
        when_promoted()
        load.wait_for(lambda: connected(new) >= len(quotads), "every gateway has found it")
        found = time.monotonic()
        for number in range(len(quotads)):
            load.wait_for(lambda number=number: load.ledger.admitted(
                gateway=number, since=found) > 0, "every gateway admits again")
        back = time.monotonic()
        load.go_on(1)
    ledger = load.ledger
    over = over_admission(ledger.entries(), BUCKET)
    say(admitted=ledger.admitted(),
        allowed=BUCKET.per_minute + BUCKET.rate * (ledger.end() - ledger.begin()),
        over_admission=over, failover_seconds=promoted - begin, found_seconds=found - promoted,
        recovery_seconds=back - promoted, admitted_afterwards=ledger.admitted(since=found),
        refilled_afterwards=BUCKET.rate * (ledger.end() - found))
    assert over == 0
    # What the new primary was not told in time nobody knows: its buckets start empty.
    assert ledger.admitted(since=found + LEASE_TTL) <= BUCKET.rate * (ledger.end() - found)
    assert back - promoted < 5
    for quotad in quotads:
        metrics = quotad.metrics()
        assert (metrics.sum("quota_store_up"), metrics.sum("quota_degraded")) == (1, 0)
    # The month, too, is what was admitted: the holders tell the new primary what it does not know.
    wait_until(lambda: all(used(quotad) == ledger.admitted() for quotad in quotads),
               "the month is settled")


def test_the_primary_is_killed_under_load(stack, say):
    sentinels = stack.sentinels()
    quotads = start(stack, sentinels)
    fail_over_under_load(say, quotads, sentinels, lambda primary: primary.kill9())


def test_the_primary_hangs_and_wakes_up_when_another_has_taken_its_place(stack, say):
    sentinels = stack.sentinels()
    quotads = start(stack, sentinels)
    old = sentinels.primary()
    fail_over_under_load(say, quotads, sentinels, lambda primary: primary.pause(),
                         when_promoted=old.resume)
    # Until its Sentinels tell it otherwise it takes itself for the primary, and is alone with it.
    assert connected(old) == 0


def test_a_failover_on_command_under_load_with_a_password(stack, say):
    password = "sentinel-set-password-41"
    sentinels = stack.sentinels(password=password)
    quotads = start(stack, sentinels, QUOTAD_STORE_PASSWORD=password)
    fail_over_under_load(
        say, quotads, sentinels,
        lambda _: sentinels.sentinels[0].client().execute_command("SENTINEL FAILOVER",
                                                                  sentinels.MASTER))
    for name, text in stack.logs().items():
        if name.startswith("quotad"):
            assert password not in text


def test_one_sentinel_is_enough_to_find_the_primary(stack):
    sentinels = stack.sentinels()
    for sentinel in sentinels.sentinels[1:]:
        sentinel.kill9()
    quotad = start(stack, sentinels)[0]
    wait_until(lambda: quotad.check(method="GET", path=b"/identify",
                                    api_key=b"acme-key").reason == "ok", "the store is found")
