"""emergency.sh with real quotads in the pods of the fake cluster: only kubectl is played."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness.process import wait_until  # noqa: E402
from harness.quotad import ADMIN_TOKEN  # noqa: E402
from harness.stack import Stack  # noqa: E402


@pytest.fixture(name="stack")
def fixture_stack():
    stack = Stack()
    yield stack
    try:
        stack.close()
    finally:
        stack.kill()


def gateways(cluster, quotads):
    """A pod for each quotad."""
    token = cluster.directory / "token"
    token.write_text(ADMIN_TOKEN + "\n")
    for number, quotad in enumerate(quotads):
        cluster.put("Pod", f"kong-{number}", status={"phase": "Running"}, spec={
            "initContainers": [{"name": "quotad"}], "containers": [{"name": "kong"}]})
        state = cluster.load()
        state["admin"][f"kong-{number}"] = {"admin": quotad.admin, "token_file": str(token)}
        cluster.save(state)


def modes(quotads):
    return [quotad.get_json("/v1/mode")["mode"] for quotad in quotads]


@pytest.mark.parametrize("mode", ["shadow", "off", "enforce"])
def test_quotads_with_stores_of_their_own_all_follow(cluster, stack, mode):
    quotads = [stack.quotad() for _ in range(3)]
    gateways(cluster, quotads)
    done = cluster.run("emergency.sh", mode, "--yes")
    assert done.returncode == 0, done.stderr
    assert modes(quotads) == [mode] * 3
    assert "All 3 pods follow" in done.stdout
    assert cluster.run("emergency.sh", "policy", "--yes").returncode == 0
    assert all(quotad.get_json("/v1/mode")["source"] == "policy" for quotad in quotads)


def test_quotads_that_share_a_redis_all_follow(cluster, stack):
    redis = stack.redis()
    quotads = [stack.quotad(store=redis.url) for _ in range(2)]
    gateways(cluster, quotads)
    done = cluster.run("emergency.sh", "shadow", "--yes")
    assert done.returncode == 0, done.stderr
    assert modes(quotads) == ["shadow"] * 2
    assert "this pod only" not in done.stdout


def test_without_their_redis_they_follow_each_for_itself(cluster, stack):
    redis = stack.redis()
    quotads = [stack.quotad(store=redis.url) for _ in range(2)]
    gateways(cluster, quotads)
    redis.stop()
    wait_until(lambda: all(quotad.metrics().sum("quota_store_up") == 0 for quotad in quotads),
               "the quotads have noticed")
    done = cluster.run("emergency.sh", "off", "--yes")
    assert done.returncode == 0, done.stderr
    assert modes(quotads) == ["off"] * 2
    assert done.stdout.count("off (this pod only, until it restarts)") == 2


def test_a_quotad_that_is_gone_is_named(cluster, stack):
    quotads = [stack.quotad() for _ in range(3)]
    gateways(cluster, quotads)
    quotads[1].kill()
    done = cluster.run("emergency.sh", "off", "--yes", "--timeout", "3")
    assert done.returncode == 1
    assert "kong-1: NOT off; Running; quotactl: " in done.stderr
    assert "1 of 3 pods did not follow." in done.stderr
    assert modes([quotads[0], quotads[2]]) == ["off"] * 2


def test_a_token_that_is_not_the_quotads_own_is_refused(cluster, stack):
    quotads = [stack.quotad(token="another-token-of-another-quotad")]
    gateways(cluster, quotads)
    done = cluster.run("emergency.sh", "off", "--yes", "--timeout", "2")
    assert done.returncode == 1
    assert "kong-0: NOT off; Running; it says enforce, quotactl: the Authorization" in done.stderr
    assert modes(quotads) == ["enforce"]


def test_the_token_is_in_no_argument_and_no_output(cluster, stack):
    gateways(cluster, [stack.quotad()])
    assert cluster.run("emergency.sh", "off", "--yes").returncode == 0
    shown = cluster.output + "".join(" ".join(call["argv"]) for call in cluster.calls())
    assert ADMIN_TOKEN not in shown
