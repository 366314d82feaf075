"""The policy changes while quotad decides. A wrong one never replaces a good one."""

import os

import pytest
from quota.v1 import quota_pb2

from harness.client import ask
from harness.nginx import CHECKED
from harness.process import wait_until
from harness.quotad import Background, consumer, policy

# So long that only a notice or a signal can be what changed the policy.
NO_POLLING = ["--policy-poll-ms", "3600000"]


def with_free_limit(limit):
    return policy([consumer("acme")], tiers={
        "free": {"requests_per_minute": limit, "monthly_quota": 50000}})


def limit_of(quotad):
    return quotad.check(method="GET", path=b"/identify", api_key=b"acme-key",
                        peek=True).minute.limit


def wait_for_limit(quotad, limit):
    wait_until(lambda: limit_of(quotad) == limit, f"the limit becomes {limit}")


def test_a_changed_file_is_noticed(stack):
    quotad = stack.quotad(with_free_limit(100), flags=NO_POLLING)
    assert limit_of(quotad) == 100
    quotad.set_policy(with_free_limit(200))
    wait_for_limit(quotad, 200)


def test_a_file_written_in_place_is_noticed(stack):
    quotad = stack.quotad(with_free_limit(100), flags=NO_POLLING)
    quotad.policy_path.write_text(with_free_limit(300))
    wait_for_limit(quotad, 300)


def test_sighup_reads_the_file_again(stack):
    quotad = stack.quotad(with_free_limit(100), flags=NO_POLLING)
    before = quotad.metrics().sum("quota_policy_loads_total", result="loaded")
    quotad.hup()
    wait_until(lambda: quotad.metrics().sum("quota_policy_loads_total", result="loaded") > before,
               "the policy is loaded again")


WRONG = {
    "no YAML": ("version: 1\ntiers: ]\n", ":2:"),
    "unknown version": ("version: 99\n", ":1:"),
    "negative limit": ("version: 1\ntiers:\n  free: {requests_per_minute: -5}\n", ":3:"),
    "unknown tier": ("version: 1\ntiers: {free: {requests_per_minute: 5}}\nconsumers:\n"
                     "  - {id: a, tier: gold}\n", ":4:"),
    "misspelt section": ("version: 1\ntires: {}\n", ":2:"),
}


@pytest.mark.parametrize("text, position", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_policy_keeps_the_old_one_and_is_explained(stack, text, position):
    quotad = stack.quotad(with_free_limit(100), flags=NO_POLLING)
    quotad.set_policy(text)
    wait_until(lambda: quotad.metrics().sum("quota_policy_loads_total", result="rejected") >= 1,
               "the wrong policy is counted")
    assert limit_of(quotad) == 100
    assert f"{quotad.policy_path}{position}" in quotad.log()
    assert quotad.get("/readyz")[0] == 200


def test_a_policy_that_is_put_right_is_taken(stack):
    quotad = stack.quotad(with_free_limit(100), flags=NO_POLLING)
    quotad.set_policy("version: [1")
    wait_until(lambda: quotad.metrics().sum("quota_policy_loads_total", result="rejected") >= 1,
               "the wrong policy is counted")
    quotad.set_policy(with_free_limit(150))
    wait_for_limit(quotad, 150)


@pytest.mark.parametrize("remove", [lambda path: path.unlink(), lambda path: path.write_text("")],
                         ids=["removed", "emptied"])
def test_a_file_that_is_gone_keeps_the_policy(stack, remove):
    quotad = stack.quotad(with_free_limit(100), flags=["--policy-poll-ms", "100"])
    remove(quotad.policy_path)
    wait_until(lambda: quotad.log().count(str(quotad.policy_path)) > 1, "quotad says so")
    assert limit_of(quotad) == 100
    quotad.set_policy(with_free_limit(250))
    wait_for_limit(quotad, 250)


def test_a_reload_gives_nobody_more(stack):
    quotad = stack.quotad(with_free_limit(100), flags=NO_POLLING)
    spent = quotad.check(method="GET", path=b"/identify", api_key=b"acme-key", hits=90)
    assert spent.outcome == quota_pb2.ALLOWED
    quotad.set_policy(with_free_limit(101))
    wait_for_limit(quotad, 101)
    left = quotad.check(method="GET", path=b"/identify", api_key=b"acme-key", peek=True)
    assert left.minute.remaining < 50
    assert left.month.remaining == 50_000 - 90


def config_map(directory, name, text):
    """Mounts a version as the kubelet does: files of it are seen through the link ..data."""
    version = directory / f"..{name}"
    version.mkdir()
    (version / "policy.yaml").write_text(text)
    link = directory / "..data_tmp"
    os.symlink(version.name, link)
    os.rename(link, directory / "..data")


def test_a_config_map_swap_changes_limits_and_loses_no_request(stack):
    mounted = stack.workdir / "config"
    mounted.mkdir()
    config_map(mounted, "version-1", with_free_limit(100))
    os.symlink("..data/policy.yaml", mounted / "policy.yaml")
    quotad = stack.quotad(start=False, flags=NO_POLLING)
    quotad.policy_path = mounted / "policy.yaml"
    quotad.start()
    nginx = stack.nginx(f"location / {{ {CHECKED} add_header X-Outcome $quota_outcome always; }}",
                        sidecar=quotad, quota="quota_timeout 20s; quota_on_error deny;")

    load = Background(lambda: ask(nginx, "/health"), threads=4)
    for version in range(2, 7):
        config_map(mounted, f"version-{version}", with_free_limit(version * 100))
        wait_for_limit(quotad, version * 100)
    answers = load.stop()

    assert {(answer.status, answer.headers["X-Outcome"]) for answer in answers} == {(200, "exempt")}


def test_shadow_mode_denies_nobody_and_says_so(stack):
    quotad = stack.quotad(policy([consumer("acme")], mode="shadow"))
    verdict = quotad.check(method="GET", path=b"/identify", api_key=b"acme-key", hits=500)
    assert verdict.outcome == quota_pb2.ALLOWED
    assert verdict.shadow


def test_mode_off_counts_nothing(stack):
    quotad = stack.quotad(policy([consumer("acme")], mode="off"))
    verdict = quotad.check(method="GET", path=b"/identify", api_key=b"acme-key", hits=500)
    assert verdict.outcome in (quota_pb2.ALLOWED, quota_pb2.EXEMPT)
    quotad.set_policy(policy([consumer("acme")]))
    wait_for_limit(quotad, 100)
    left = quotad.check(method="GET", path=b"/identify", api_key=b"acme-key", peek=True)
    assert left.month.remaining == 50_000
