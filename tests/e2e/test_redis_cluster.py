"""Six nodes: buckets lie on three masters, move between them and survive the loss of one."""

import time

import pytest

from harness.accounting import Bucket, over_admission
from harness.load import Load
from harness.outage import outage_flags, outage_policy
from harness.process import wait_until
from harness.quotad import consumer, policy
from harness.redis_servers import key_slot

BUCKET = Bucket(900, burst=1)
CONSUMERS = [f"consumer-{letter}" for letter in "abcdef"]


@pytest.fixture(name="cluster")
def fixture_cluster(stack):
    return stack.cluster()


def start(stack, cluster, store_timeout_ms=5):
    text = policy([consumer(name, "some") for name in CONSUMERS], default_tier="some",
                  burst=BUCKET.burst, store_lost="deny", tiers={"some": {
                      "requests_per_minute": BUCKET.per_minute, "monthly_quota": 10_000_000}})
    return stack.quotads(3, text, cluster.url, store_timeout_ms=store_timeout_ms,
                         flags=outage_flags())


def slot_of(cluster, name):
    """Where the keys of a consumer lie, which are in one slot together."""
    slots = {key_slot(key) for master in cluster.masters()
             for key in master.client().keys(f"*{{c:{name}}}*")}
    assert len(slots) == 1, f"the keys of {name} are in the slots {slots}"
    return slots.pop()


def wait_until_all_is_spent(load):
    """And a while longer: whoever could spend something twice has had every chance to."""
    for name in CONSUMERS:
        load.wait_for(lambda name=name: load.ledger.checks(
            consumer=name, reason="minute") > 200, f"all that {name} had is spent")


def report(say, ledger, **figures):
    """Every consumer by itself."""
    seconds = ledger.end() - ledger.begin()
    over = {name: over_admission(ledger.entries(consumer=name), BUCKET) for name in CONSUMERS}
    say(admitted=[ledger.admitted(consumer=name) for name in CONSUMERS],
        allowed_each=BUCKET.per_minute + BUCKET.rate * seconds, over_admission=sum(over.values()),
        denied_without_store=ledger.reasons()["store_unavailable"], **figures)
    assert sum(over.values()) == 0, over


def assert_months_are_settled(quotads, ledger):
    for name in CONSUMERS:
        spent = ledger.admitted(consumer=name)
        wait_until(lambda name=name, spent=spent: all(
            quotad.get_json(f"/v1/quota/{name}")["used_this_month"] == spent for quotad in quotads),
            f"the month of {name} is settled")


def test_buckets_are_spread_over_the_masters(stack, cluster, say):
    quotads = start(stack, cluster, store_timeout_ms=2000)
    with Load.streams(quotads, *CONSUMERS, rate=600, batch=12) as load:
        load.wait_for(lambda: all(load.ledger.checks(consumer=name) > 20 for name in CONSUMERS),
                      "every consumer has asked")
    owners = {cluster.owner(slot_of(cluster, name)).port for name in CONSUMERS}
    report(say, load.ledger, masters=len(owners))
    assert len(owners) >= 2
    assert load.ledger.checks(degraded=True) == 0


def test_a_slot_moves_under_load(stack, cluster, say):
    quotads = start(stack, cluster)
    with Load.streams(quotads, *CONSUMERS, rate=1200, batch=24) as load:
        load.wait_for(lambda: load.ledger.admitted(consumer=CONSUMERS[0]) >= BUCKET.per_minute / 6,
                      "much is leased")
        slot = slot_of(cluster, CONSUMERS[0])
        moved = 0
        for _ in range(4):
            to = cluster.another_master(cluster.owner(slot))
            moved += cluster.migrate_slot(slot, to)
            arrived = time.monotonic()
            for number in range(len(quotads)):
                load.wait_for(lambda number=number, arrived=arrived: load.ledger.checks(
                    gateway=number, consumer=CONSUMERS[0], since=arrived, degraded=False) > 50,
                    "every gateway has found the slot again")
        wait_until_all_is_spent(load)
    report(say, load.ledger, moved_keys=moved)
    assert moved >= 4
    assert_months_are_settled(quotads, load.ledger)
    for quotad in quotads:
        assert quotad.metrics().sum("quota_store_up") == 1


def test_a_node_is_killed_under_load(stack, cluster, say):
    quotads = start(stack, cluster)
    with Load.streams(quotads, *CONSUMERS, rate=1200, batch=24) as load:
        load.wait_for(lambda: load.ledger.admitted(consumer=CONSUMERS[0]) >= BUCKET.per_minute / 6,
                      "much is leased")
        slot = slot_of(cluster, CONSUMERS[0])
        killed = cluster.kill9_owner(slot)
        begin = time.monotonic()
        load.wait_for(lambda: cluster.wait_for_promotion(slot, killed), "its replica is promoted")
        promoted = time.monotonic()
        for name in CONSUMERS:
            for number in range(len(quotads)):
                load.wait_for(lambda name=name, number=number: load.ledger.admitted(
                    consumer=name, gateway=number, since=promoted) > 0,
                    f"gateway {number} admits {name} again")
        back = time.monotonic()
        wait_until_all_is_spent(load)
    report(say, load.ledger, promotion_seconds=promoted - begin, recovery_seconds=back - promoted)
    assert back - promoted < 5
    assert_months_are_settled(quotads, load.ledger)


def test_gateways_that_know_one_node_find_the_others(stack, cluster):
    for server in cluster.servers[3:]:
        server.kill9()
    one = "redis-cluster://" + cluster.servers[2].address
    quotad = stack.quotad(outage_policy("deny", BUCKET), store=one, store_timeout_ms=2000,
                          flags=outage_flags())
    for number in range(50):
        verdict = quotad.check(method="GET", path=b"/identify", client_ip=bytes([10, 0, 0, number]))
        assert (verdict.reason, verdict.degraded) == ("ok", False)
