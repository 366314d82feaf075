"""The policy in a mounted ConfigMap: an update changes limits while requests are counted, and one
that is wrong changes nothing. (What quotad makes of single files is in test_policy_reload.py.)"""

import itertools
import time

import pytest

from harness.client import Connection
from harness.config_map import ConfigMapVolume
from harness.load import Load
from harness.nginx import CHECKED
from harness.process import wait_until
from harness.quotad import consumer, policy

# So long that only a notice can be what changed the policy.
NO_POLLING = ["--policy-poll-ms", "3600000"]
CONSUMERS = [consumer("acme", "pro"), consumer("small", "free")]


def with_limits(pro, free=100, **sections):
    return policy(CONSUMERS, tiers={
        "free": {"requests_per_minute": free, "monthly_quota": 50000},
        "pro": {"requests_per_minute": pro, "monthly_quota": 1_000_000}}, **sections)


# More than is sent here, so that each refusal is a wrong one.
PLENTY = 600_000


class Gateway:
    """nginx before a quotad whose policy is in a ConfigMap."""

    def __init__(self, stack, text):
        self.volume = ConfigMapVolume(stack.workdir / "policy", policy_yaml=text)
        self.quotad = stack.quotad(start=False, flags=NO_POLLING)
        self.quotad.policy_path = self.volume.path("policy.yaml")
        self.quotad.start()
        self.nginx = stack.nginx(
            f"location / {{ {CHECKED} add_header X-Outcome $quota_outcome always; }}",
            sidecar=self.quotad, quota="quota_timeout 20s; quota_on_error deny;")

    def limit(self, tier="pro"):
        (found,) = (entry for entry in self.quotad.get_json("/v1/tiers")["tiers"]
                    if entry["name"] == tier)
        return found["requests_per_minute"]

    def wait_for_limit(self, limit):
        wait_until(lambda: self.limit() == limit, f"the limit becomes {limit}")

    def spent(self, name):
        month = self.quotad.get_json(f"/v1/quota/{name}")["month"]
        return month["limit"] - month["remaining"]

    def rejections(self):
        return self.quotad.metrics().sum("quota_policy_loads_total", result="rejected")

    def is_stale(self):
        return self.quotad.metrics().sum("quota_policy_stale") == 1


@pytest.fixture(name="start")
def fixture_start(stack):
    return lambda text=with_limits(PLENTY): Gateway(stack, text)


def test_an_update_changes_limits_and_no_request_is_lost_or_refused(start):
    gateway = start()
    limits = [PLENTY + step for step in range(6)]
    seen = []
    with Load.http([gateway.nginx], "acme", rate=400, connections=4) as load:
        for limit in limits:
            if limit > PLENTY:
                gateway.volume.update(policy_yaml=with_limits(limit))
            with Connection(gateway.nginx) as connection:
                # From the first answer under a limit on all have it, and none an older one.
                def has_limit(connection=connection, limit=limit):
                    answer = connection.ask("/batch", key="acme-key")
                    seen.append(int(answer.headers["X-RateLimit-Limit"]))
                    return seen[-1] == limit
                load.wait_for(has_limit, f"the limit becomes {limit}")
            assert len(gateway.volume.versions()) == 1  # the old one is gone
            load.wait_for(lambda goal=load.ledger.checks() + 20: load.ledger.checks() >= goal,
                          "more requests are answered")
    ledger = load.stop()
    assert [limit for limit, _ in itertools.groupby(seen)] == limits
    assert ledger.reasons() == {"allowed": ledger.checks()}
    assert {entry.status for entry in ledger.entries()} == {200}
    # Each is counted, and once.
    assert gateway.spent("acme") == ledger.checks() + len(seen)


def test_who_had_used_up_the_old_limit_gets_what_the_new_one_adds(start):
    gateway = start()
    begin = time.monotonic()
    with Connection(gateway.nginx) as connection:
        def ask(count):
            return [connection.ask("/identify", key="small-key").status for _ in range(count)]

        assert ask(100) == [200] * 100
        gateway.volume.update(policy_yaml=with_limits(PLENTY + 1, free=150))
        gateway.wait_for_limit(PLENTY + 1)
        more = ask(100)
    allowed = more.count(200)
    assert 50 <= allowed <= 50 + (time.monotonic() - begin) * 150 / 60
    assert more[:50] == [200] * 50


def test_a_wrong_policy_keeps_the_old_one_in_force_and_is_told(start):
    gateway = start()
    with Load.http([gateway.nginx], "acme", rate=200) as load:
        text = with_limits(PLENTY + 1, anonymous={"requests_per_minute": -1})
        gateway.volume.update(policy_yaml=text)
        load.wait_for(lambda: gateway.rejections() == 1, "the wrong policy is counted")
        assert gateway.limit() == PLENTY
        assert gateway.is_stale()
        # The file whose name the user knows, not the one with the date.
        line = 1 + text[:text.index("-1")].count("\n")
        assert f"{gateway.volume.path('policy.yaml')}:{line}:" in gateway.quotad.log()
        assert gateway.quotad.get("/readyz")[0] == 200

        gateway.volume.update(policy_yaml=with_limits(PLENTY + 2))
        load.wait_for(lambda: gateway.limit() == PLENTY + 2, "the right one is taken up")
        assert not gateway.is_stale()
    assert load.stop().reasons().keys() == {"allowed"}


def test_a_missing_key_keeps_the_policy_in_force_and_is_told(start):
    gateway = start()
    said = gateway.quotad.log()
    with Load.http([gateway.nginx], "acme", rate=200) as load:
        gateway.volume.update(other_yaml="a: 1\n")
        assert not gateway.volume.path("policy.yaml").is_symlink()
        load.wait_for(lambda: str(gateway.volume.path("policy.yaml"))
                      in gateway.quotad.log().removeprefix(said), "quotad says so")
        assert gateway.limit() == PLENTY

        gateway.volume.update(policy_yaml=with_limits(PLENTY + 1))
        load.wait_for(lambda: gateway.limit() == PLENTY + 1, "the key is back")
    assert load.stop().reasons().keys() == {"allowed"}


def test_an_update_of_another_key_loads_nothing(start):
    gateway = start()
    loads = gateway.quotad.metrics().sum("quota_policy_loads_total")
    gateway.volume.update(policy_yaml=with_limits(PLENTY), other_yaml="a: 1\n")
    gateway.volume.update(policy_yaml=with_limits(PLENTY), other_yaml="a: 2\n")
    gateway.volume.update(policy_yaml=with_limits(PLENTY + 1), other_yaml="a: 2\n")
    gateway.wait_for_limit(PLENTY + 1)
    assert gateway.quotad.metrics().sum("quota_policy_loads_total") == loads + 1


def test_a_quotad_that_restarts_after_updates_reads_the_last_one(start):
    gateway = start()
    for step in range(1, 4):
        gateway.volume.update(policy_yaml=with_limits(PLENTY + step))
    gateway.quotad.stop()
    gateway.quotad.start()
    assert gateway.limit() == PLENTY + 3
    gateway.volume.update(policy_yaml=with_limits(PLENTY + 4))
    gateway.wait_for_limit(PLENTY + 4)


def test_the_policy_and_its_key_may_come_in_one_update(stack):
    """`key_file` beside the policy, in a volume that is projected from a ConfigMap and a Secret."""
    volume = ConfigMapVolume(stack.workdir / "policy", policy_yaml=with_limits(PLENTY))
    quotad = stack.quotad(start=False, flags=NO_POLLING)
    quotad.policy_path = volume.path("policy.yaml")
    quotad.start()
    text = with_limits(PLENTY, identity={"jwt": {"algorithm": "HS256", "key_file": "jwt.key"}})
    volume.update(policy_yaml=text, jwt_key="a secret of more than 32 characters, to be sure")
    wait_until(lambda: quotad.metrics().sum("quota_policy_loads_total", result="loaded") == 2,
               "the policy with its key is loaded")
    assert quotad.metrics().sum("quota_policy_loads_total", result="rejected") == 0
