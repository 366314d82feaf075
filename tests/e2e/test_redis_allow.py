"""Without Redis, `store_lost: allow` admits everything, and remembers what it admitted."""

import time

from harness.accounting import Bucket
from harness.faults import FAULTS
from harness.load import Load
from harness.outage import (assert_clients_saw_no_fault, changes_in_the_log, find_redis, lose_redis,
                            ready_for_outages)

BUCKET = Bucket(300)
GATEWAYS = 3


@FAULTS
def test_allow_admits_all_during_an_outage_and_remembers_it(stack, say, begin, end):
    world = ready_for_outages(stack, "allow", BUCKET)
    with Load.http(world.nginxes, rate=250) as load:
        _, degraded = lose_redis(world, load, begin, BUCKET.per_minute / 3)
        # So much that each gateway's debt alone is more than the bucket can hold.
        for number in range(GATEWAYS):
            load.wait_for(lambda number=number: load.ledger.admitted(
                gateway=number, since=degraded) > BUCKET.capacity, "a debt grows")
        over, back = find_redis(world, load, end)
        load.go_on(1.5)
        ended = time.monotonic()
    ledger = load.ledger
    denied = [entry for entry in ledger.entries(since=degraded, until=over) if not entry.allowed]
    # The debt has emptied the bucket: what is admitted now is what flows in.
    afterwards = ledger.admitted(since=back, until=ended)
    allowed = BUCKET.rate * (ended - over)
    say(admitted=ledger.admitted(), admitted_afterwards=afterwards, allowed_afterwards=allowed,
        admitted_without_redis=ledger.admitted(since=degraded, until=over))
    assert not denied
    assert afterwards <= allowed + 1
    assert_clients_saw_no_fault(ledger)
    for quotad in world.quotads:
        assert changes_in_the_log(quotad) == ["lost", "back"]
