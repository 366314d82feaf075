"""One fault after the other, of the servers, of the way between and of the gateways themselves, drawn
by lot under load: never is more admitted than the limit, and never is less counted than admitted."""

import random
import signal

import pytest

from harness.accounting import Bucket, over_admission
from harness.load import Load
from harness.outage import LEASE_TTL, outage_flags, outage_policy
from harness.process import wait_until

BUCKET = Bucket(3000)
MONTH = 1_000_000
GATEWAYS = 3


class Chaos:
    """A gateway of its own proxy, each; one Redis that writes all down."""

    def __init__(self, stack, seed, exact):
        self.chance = random.Random(seed)
        self.redis = stack.redis(tcp=True, appendonly=True)
        self.proxies = [stack.slow_proxy(self.redis) for _ in range(GATEWAYS)]
        text = outage_policy("deny", BUCKET, MONTH)
        self.quotads = [stack.quotad(text, store=proxy.url, store_timeout_ms=5, start=False,
                                     flags=outage_flags(store_exact=str(exact).lower()))
                        for proxy in self.proxies]
        for quotad in self.quotads:
            quotad.launch()
        for quotad in self.quotads:
            quotad.wait_until_ready()

    def step(self, load):
        """One fault, from its beginning to its end."""
        number = self.chance.randrange(GATEWAYS)
        fault = self.chance.choice([
            self.drop, self.mute, self.delay, self.stall, self.pause_redis, self.restart_redis,
            self.crash_gateway, self.restart_gateway, self.pause_gateway])
        fault(load, self.quotads[number], self.proxies[number])
        self.wait(load, 0.3)
        return fault.__name__

    def wait(self, load, longest):
        load.go_on(self.chance.uniform(0, longest))

    def drop(self, load, _, proxy):
        for _ in range(5):
            proxy.drop()
            self.wait(load, 0.1)

    def mute(self, load, _, proxy):
        proxy.mute = True
        self.wait(load, 0.5)
        proxy.mute = False

    def delay(self, load, _, proxy):
        proxy.delay = self.chance.uniform(0, 0.3)
        self.wait(load, 0.5)
        proxy.delay = 0

    def stall(self, load, _, proxy):
        proxy.stalled = True
        self.wait(load, 2 * LEASE_TTL)
        proxy.stalled = False

    def pause_redis(self, load, _quotad, _proxy):
        self.redis.pause()
        self.wait(load, 2 * LEASE_TTL)
        self.redis.resume()

    def restart_redis(self, load, _quotad, _proxy):
        self.redis.kill9()
        self.wait(load, 0.5)
        self.redis.restart()

    def crash_gateway(self, _load, quotad, _):
        quotad.kill()
        quotad.start()

    def restart_gateway(self, _load, quotad, _):
        quotad.stop()
        quotad.start()

    def pause_gateway(self, load, quotad, _):
        """Its leases may end while it cannot see it."""
        quotad.process.send(signal.SIGSTOP)
        self.wait(load, 2 * LEASE_TTL)
        quotad.process.send(signal.SIGCONT)


def used(quotad):
    status, body = quotad.get("/v1/quota/acme")
    return quotad.get_json("/v1/quota/acme")["used_this_month"] if status == 200 else body


@pytest.mark.parametrize("seed, exact", [(1, False), (2, False), (3, False), (4, True)],
                         ids=["1", "2", "3", "4, exact"])
def test_nothing_is_admitted_beyond_the_limit_whatever_happens(stack, say, seed, exact):
    chaos = Chaos(stack, seed, exact)
    faults = []
    with Load.streams(chaos.quotads, rate=400, batch=4, restarts=True) as load:
        load.wait_for(lambda: load.ledger.admitted() > 100, "requests are admitted")
        for _ in range(8):
            faults.append(chaos.step(load))
        for number in range(GATEWAYS):
            before = load.ledger.admitted(gateway=number)
            load.wait_for(lambda number=number, before=before:
                          load.ledger.admitted(gateway=number) > before, "all admit again")
        load.go_on(0.5)
    ledger = load.ledger
    over = over_admission(ledger.entries(), BUCKET)
    say(admitted=ledger.admitted(), over_admission=over, faults=faults,
        allowed=BUCKET.per_minute + BUCKET.rate * (ledger.end() - ledger.begin()))
    assert over == 0
    # A crash burns what it held; nothing else may be counted that was not admitted.
    try:
        wait_until(lambda: min(map(used, chaos.quotads)) >= ledger.admitted(), "all is counted",
                   timeout=5)
    finally:
        say(admitted=ledger.admitted(), used_this_month=list(map(used, chaos.quotads)))
