"""Decision events in Redis Streams. They may be lost when Redis is, and must cost no decision."""

import json

import pytest

from harness.accounting import Bucket
from harness.faults import kill, pause, restart, resume
from harness.load import Load
from harness.outage import (QUOTA_TIMEOUT, STORE_TIMEOUT_MS, World, are_back,
                            assert_clients_saw_no_fault, outage_flags, outage_policy)
from harness.process import wait_until
from harness.quotad import consumer, policy

BUCKET = Bucket(300)


def events(**settings):
    return outage_flags(events="redis", **{"events_sample": 1, "events_interval_ms": 10,
                                           "events_streams": 2, **settings})


def entries(redis):
    client = redis.client()
    return [fields for key in client.keys("quota:events:*") for _, fields in client.xrange(key)]


def written(quotads):
    return sum(quotad.metrics().sum("quota_events_total", result="written") for quotad in quotads)


def lost(quotads):
    return sum(quotad.metrics().sum("quota_events_total", result=result) for quotad in quotads
               for result in ("failed", "dropped"))


def test_every_event_is_in_a_stream_once(stack):
    redis = stack.redis()
    quotad = stack.quotad(outage_policy("deny", BUCKET), store=redis.url,
                          flags=events(events_privacy="full"))
    for number in range(50):
        quotad.check(method="GET", path=f"/{number}".encode(), api_key=b"acme-key")
    wait_until(lambda: written([quotad]) == 50, "all events are written")
    batches = entries(redis)
    found = [event for batch in batches for event in json.loads(batch["batch"])]
    assert sum(int(batch["n"]) for batch in batches) == 50
    assert sorted(event["path"] for event in found) == sorted(f"/{n}" for n in range(50))
    assert {event["consumer"] for event in found} == {"acme"}
    assert set(redis.client().keys("quota:events:*")) <= {"quota:events:{0}", "quota:events:{1}"}
    assert lost([quotad]) == 0


def test_the_last_events_are_written_at_the_end(stack):
    redis = stack.redis()
    quotad = stack.quotad(outage_policy("deny", BUCKET), store=redis.url,
                          flags=events(events_interval_ms=60000))
    for _ in range(20):
        quotad.check(method="GET", path=b"/", api_key=b"acme-key")
    assert not entries(redis)
    quotad.stop()
    assert sum(int(batch["n"]) for batch in entries(redis)) == 20


def test_streams_do_not_grow_without_bound(stack):
    redis = stack.redis(settings=["stream-node-max-entries 1"])
    quotad = stack.quotad(outage_policy("deny", BUCKET), store=redis.url,
                          flags=events(events_batch=1, events_maxlen=10))
    for _ in range(200):
        quotad.check(method="GET", path=b"/", api_key=b"acme-key")
    wait_until(lambda: written([quotad]) + lost([quotad]) == 200, "all events are dealt with")
    client = redis.client()
    assert all(client.xlen(key) <= 12 for key in client.keys("quota:events:*"))


def fill(world):
    client = world.redis.client()
    client.config_set("maxmemory", client.info("memory")["used_memory"])


def empty(world):
    world.redis.client().config_set("maxmemory", 0)


@pytest.mark.parametrize("begin, end", [(pause, resume), (kill, restart), (fill, empty)],
                         ids=["paused", "killed", "full"])
def test_decisions_do_not_wait_for_events(stack, say, begin, end):
    redis = stack.redis(tcp=True, appendonly=True)
    quotads = stack.quotads(2, outage_policy("allow", BUCKET), redis.url,
                            store_timeout_ms=STORE_TIMEOUT_MS, flags=events())
    nginxes = [stack.gateway(
        quotad, f"quota_timeout {round(QUOTA_TIMEOUT * 1000)}ms; quota_on_error deny;")
        for quotad in quotads]
    world = World(redis, None, quotads, nginxes)
    with Load.http(nginxes, rate=200) as load:
        load.wait_for(lambda: written(quotads) > 100, "events are written")
        begin(world)
        before = lost(quotads)
        load.wait_for(lambda: lost(quotads) > before + 100, "events are lost and counted")
        end(world)
        load.wait_for(lambda: are_back(quotads), "every gateway is back")
        there = written(quotads)
        load.wait_for(lambda: written(quotads) > there + 100, "events are written again")
    ledger = load.ledger
    say(requests=len(ledger.entries()), written=written(quotads), lost=lost(quotads),
        longest_wait_ms=1000 * max(entry.waited for entry in ledger.entries()))
    assert_clients_saw_no_fault(ledger)


def test_a_threshold_is_told_once_by_three_gateways(stack):
    redis = stack.redis()
    text = policy([consumer("acme", "some")], default_tier="some", store_lost="deny",
                  tiers={"some": {"requests_per_minute": 100_000, "monthly_quota": 300}})
    quotads = stack.quotads(3, text, redis.url, flags=events(events_sample=0))
    # All are denied, each by its own gateway.
    for _ in range(2):
        for quotad in quotads:
            wait_until(lambda q=quotad: q.check(method="GET", path=b"/",
                                                api_key=b"acme-key").outcome == 2, "it is denied")

    def told(kind):
        return sum(quotad.metrics().sum("quota_thresholds_total", kind=kind) for quotad in quotads)
    wait_until(lambda: told("month_100") and told("first_denial"), "thresholds are told")
    wait_until(lambda: len(redis.client().keys("quota:{told}:*")) >= 2, "notices are put up")
    for quotad in quotads:
        quotad.stop()
    told_events = [event for batch in entries(redis) for event in json.loads(batch["batch"])]
    for kind in ("month_100", "first_denial"):
        found = [event for event in told_events if event["kind"] == kind]
        assert len(found) == 1
        assert "unconfirmed" not in found[0]
    assert len([event for event in told_events if event["kind"] == "month_80"]) <= 1


def test_without_redis_a_threshold_is_told_and_marked(stack):
    redis = stack.redis(tcp=True)
    quotad = stack.quotad(outage_policy("deny", BUCKET), store=redis.url,
                          store_timeout_ms=STORE_TIMEOUT_MS,
                          flags=events())
    quotad.check(method="GET", path=b"/", api_key=b"acme-key")
    redis.pause()
    wait_until(lambda: quotad.check(method="GET", path=b"/", api_key=b"acme-key").outcome == 2,
               "it is denied")
    def told():
        return [event for event in quotad.get_json("/v1/events?limit=1000")["events"]
                if event["kind"] == "first_denial"]
    wait_until(told, "it is told")
    assert told()[0]["unconfirmed"] is True
    redis.resume()
