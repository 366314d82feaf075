"""Spending of a month through three gateways, and looking at what they have counted."""

from harness.accounting import Bucket
from harness.client import at_once
from harness.load import Load
from harness.outage import are_back, are_degraded
from harness.process import wait_until

BUCKET = Bucket(120_000)
MONTH = 10_000_000
GATEWAYS = 3


def spend(world, ledger=None, units=1500):
    """Through all gateways at once, and to the end. Returns the ledger."""
    with Load.streams(world.quotads, rate=2000, batch=20, ledger=ledger) as load:
        goal = load.ledger.checks() + units
        load.wait_for(lambda: load.ledger.checks() >= goal, "much is asked for")
    return load.ledger


def used(quotad):
    return quotad.get_json("/v1/quota/acme")["used_this_month"]


def ask_for_many(world):
    """So that a gateway that has been started again has made fewer calls than it had before."""
    for quotad in world.quotads:
        for number in range(200):
            quotad.check(method="GET", path=b"/identify", client_ip=bytes([10, 0, 0, number]))


def lose(world):
    wait_until(lambda: are_degraded(world.quotads), "every gateway is degraded")


def find(world):
    wait_until(lambda: are_back(world.quotads), "every gateway is back")


def assert_settled(world, ledger, say):
    """Every gateway counts what its clients were admitted, to the unit."""
    spent = ledger.admitted()
    try:
        wait_until(lambda: all(used(quotad) == spent for quotad in world.quotads),
                   f"{spent} units are settled", timeout=10)
    finally:
        say(admitted=spent, used_this_month=[used(quotad) for quotad in world.quotads])


def restart(quotads, crash=False):
    """All of them at once: without Redis each takes its time to stop and to start."""
    at_once(len(quotads), lambda number: quotads[number].kill() if crash else quotads[number].stop())
    for quotad in quotads:
        quotad.launch()
    for quotad in quotads:
        quotad.wait_until_ready()
