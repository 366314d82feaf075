"""Without Redis, `store_lost: local_share` goes on at the limit's rate in all gateways together. How
much more than the limit that can be is stated here, and asserted."""

from harness.accounting import Bucket, over_admission
from harness.faults import FAULTS, pause, resume
from harness.load import Load
from harness.outage import (assert_clients_saw_no_fault, changes_in_the_log, find_redis, lose_redis,
                            ready_for_outages, wait_until_all_have_met)

BUCKET = Bucket(300)
GATEWAYS = 3


@FAULTS
def test_local_share_admits_the_rate_during_an_outage_and_not_more(stack, say, begin, end):
    world = ready_for_outages(stack, "local_share", BUCKET)
    wait_until_all_have_met(world.redis, world.quotads)
    with Load.http(world.nginxes, rate=120) as load:
        since, degraded = lose_redis(world, load, begin, BUCKET.per_minute / 3)
        load.go_on(1.5)
        over, back = find_redis(world, load, end)
        for number in range(GATEWAYS):
            load.wait_for(lambda number=number: load.ledger.reasons(
                gateway=number, since=back)["minute"] > 60, "all that is left is spent")
    ledger = load.ledger
    # While Redis is away the shared bucket refills, and the gateways' own buckets, which were empty
    # when it went, bring the same once more: rate × T in all of them. What was leased had left the
    # shared bucket before.
    bound = BUCKET.rate * (back - since)
    excess = over_admission(ledger.entries(), BUCKET, extra=bound)
    share = ledger.admitted(since=degraded, until=over)
    expected = BUCKET.rate * (over - degraded)
    say(admitted=ledger.admitted(), bound_of_the_outage=bound, over_admission=excess,
        beyond_the_ideal=over_admission(ledger.entries(), BUCKET),
        admitted_without_redis=share, rate_times_outage=expected, outage_seconds=back - since)
    assert excess == 0
    # And no less: each gateway may hold back a part of a request.
    assert expected - GATEWAYS <= share <= BUCKET.rate * (over - since) + 1
    assert ledger.reasons().get("store_unavailable", 0) == 0
    assert_clients_saw_no_fault(ledger)
    for quotad in world.quotads:
        assert changes_in_the_log(quotad) == ["lost", "back"]


def test_a_gateway_alone_has_all_of_the_rate_to_itself(stack, say):
    world = ready_for_outages(stack, "local_share", BUCKET, gateways=1)
    with Load.http(world.nginxes, rate=200) as load:
        since, degraded = lose_redis(world, load, pause, BUCKET.per_minute / 3)
        load.go_on(1.5)
        over, _ = find_redis(world, load, resume)
    share = load.ledger.admitted(since=degraded, until=over)
    say(admitted=share, allowed=BUCKET.rate * (over - since))
    assert BUCKET.rate * (over - degraded) - 1 <= share <= BUCKET.rate * (over - since) + 1
