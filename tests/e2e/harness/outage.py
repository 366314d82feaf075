"""Three gateways that are about to lose their Redis, and what is to be true of them then."""

import dataclasses
import re
import time

from harness.process import wait_until
from harness.quotad import consumer, policy
from harness.redis_servers import RedisServer
from harness.slow_proxy import SlowProxy

# Of nginx, in seconds. Whoever waits longer is refused with 503, and so found out.
QUOTA_TIMEOUT = 0.5
# What a busy machine may add to it before a client sees its answer.
SLACK = 0.5
LEASE_TTL = 0.6
STORE_TIMEOUT_MS = 5
PROBE = {"method": "GET", "path": b"/identify", "api_key": b"probe-key"}

_LOST = re.compile(r" warn\w* Redis (is lost|cannot be reached yet)")
_BACK = re.compile(r" info Redis is there")


@dataclasses.dataclass
class World:
    redis: RedisServer
    proxy: SlowProxy
    quotads: list
    nginxes: list


def outage_policy(store_lost, bucket, month=None):
    limits = {"requests_per_minute": bucket.per_minute}
    if month:
        limits["monthly_quota"] = month
    return policy([consumer("acme", "some"), consumer("probe", "some")], default_tier="some",
                  burst=bucket.burst, tiers={"some": limits}, store_lost=store_lost)


def outage_flags(**settings):
    # Clients here do not leave by themselves when quotad wants to stop.
    settings = {"store_lease_ttl_ms": round(LEASE_TTL * 1000), "drain_timeout_ms": 100, **settings}
    return [word for name, value in settings.items()
            for word in (f"--{name.replace('_', '-')}", str(value))]


def ready_for_outages(stack, store_lost, bucket, *, month=None, gateways=3, with_nginx=True,
                      without_redis=False):
    """Redis keeps what it is told on disk, and is reached through a proxy."""
    redis = stack.redis(tcp=True, appendonly=True, start=not without_redis)
    proxy = stack.slow_proxy(redis)
    quotads = stack.quotads(gateways, outage_policy(store_lost, bucket, month), proxy.url,
                            store_timeout_ms=STORE_TIMEOUT_MS, flags=outage_flags())
    nginxes = [stack.gateway(
        quotad, f"quota_timeout {round(QUOTA_TIMEOUT * 1000)}ms; quota_on_error deny;")
        for quotad in quotads] if with_nginx else []
    return World(redis, proxy, quotads, nginxes)


def wait_until_all_have_met(redis, quotads):
    """How many they are decides on each one's share. They say each second that they are alive, and
    hear then of the others."""
    def alive():
        client = redis.client()
        return {field: value for key in client.keys("*") if client.type(key) == "hash"
                for field, value in client.hgetall(key).items() if field.startswith("q:")}
    first = wait_until(lambda: seen if len(seen := alive()) == len(quotads) else None,
                       "every gateway has said that it is alive")
    wait_until(lambda: not set(first.values()) & set(alive().values()), "and has said so again")


def _signs_of_trouble(quotad):
    metrics = quotad.metrics()
    return [metrics.sum("quota_degraded") == 1, metrics.sum("quota_store_up") == 0,
            quotad.check(**PROBE).degraded]


def are_degraded(quotads):
    """All of them, and their metrics and verdicts agree on it."""
    return all(all(_signs_of_trouble(quotad)) for quotad in quotads)


def are_back(quotads):
    return not any(any(_signs_of_trouble(quotad)) for quotad in quotads)


def lose_redis(world, load, begin, units):
    """When so many units are spent. Returns the time before the fault and that when every gateway is
    without its leases, be it that they are spent or that they have ended."""
    load.wait_for(lambda: load.ledger.admitted() >= units, "much is leased")
    since = time.monotonic()
    begin(world)
    load.wait_for(lambda: are_degraded(world.quotads), "every gateway says that it is degraded")
    load.wait_for(lambda: time.monotonic() >= since + LEASE_TTL, "the last lease has ended")
    return since, time.monotonic()


def find_redis(world, load, end):
    """Returns the time when the fault was over and that when the last gateway is back."""
    over = time.monotonic()
    end(world)
    load.wait_for(lambda: are_back(world.quotads), "every gateway is back")
    return over, time.monotonic()


def assert_clients_saw_no_fault(ledger):
    """Neither an error nor a long wait."""
    entries = ledger.entries()
    assert {entry.status for entry in entries} <= {200, 429}
    late = [entry for entry in entries if entry.waited > QUOTA_TIMEOUT + SLACK]
    assert not late, f"{len(late)} waited too long, up to {max(e.waited for e in late):.3f} s"


def changes_in_the_log(quotad):
    """What it said about losing Redis and having it back, in this order, since it first had it."""
    changes = []
    for line in quotad.log().splitlines():
        if _BACK.search(line):
            changes.append("back")
        elif _LOST.search(line):
            changes.append("lost")
    return changes[1:] if changes[:1] == ["back"] else changes
