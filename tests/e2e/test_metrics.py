"""The counters: nginx's own over all workers, and quotad's."""

import pytest

from fake_sidecar import allow, deny, ignore
from harness.client import ask, ask_many, at_once
from harness.nginx import CHECKED
from harness.process import wait_until
from harness.quotad import Metrics, consumer, policy

SERVER = f"""
    location / {{ {CHECKED} }}
    location = /gateway-metrics {{ quota_metrics; }}
"""


def gateway_metrics(nginx):
    answer = ask(nginx, "/gateway-metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return Metrics(answer.body.decode())


@pytest.mark.parametrize("workers", [1, 4])
def test_nginx_counts_requests_over_all_workers(stack, workers):
    nginx = stack.nginx(SERVER, sidecar=stack.fake_sidecar(), workers=workers)
    at_once(40, lambda _: ask_many(nginx, 10))
    metrics = gateway_metrics(nginx)
    assert metrics.sum("quota_gateway_requests_total", outcome="allowed") == 400
    assert metrics.sum("quota_gateway_requests_total") == 400


@pytest.mark.parametrize("behaviour, outcome", [(allow, "allowed"), (deny, "denied")])
def test_nginx_counts_by_outcome(stack, behaviour, outcome):
    nginx = stack.nginx(SERVER, sidecar=stack.fake_sidecar(behaviour=behaviour))
    ask_many(nginx, 7)
    assert gateway_metrics(nginx).sum("quota_gateway_requests_total", outcome=outcome) == 7


def test_nginx_counts_timeouts(stack):
    nginx = stack.nginx(SERVER, sidecar=stack.fake_sidecar(behaviour=ignore),
                        quota="quota_timeout 50ms;")
    ask(nginx)
    metrics = gateway_metrics(nginx)
    assert metrics.sum("quota_gateway_timeouts_total") == 1
    assert metrics.sum("quota_gateway_requests_total", outcome="error_allowed") == 1


def test_nginx_measures_the_wait(stack):
    nginx = stack.nginx(SERVER, sidecar=stack.fake_sidecar(), workers=2)
    at_once(20, lambda _: ask(nginx))
    metrics = gateway_metrics(nginx)
    assert metrics.sum("quota_gateway_wait_seconds_count") == 20
    assert metrics.sum("quota_gateway_wait_seconds_bucket", le="+Inf") == 20
    assert 0 < metrics.sum("quota_gateway_wait_seconds_sum") < 100


def test_nginx_says_whether_the_sidecar_is_up(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(SERVER, sidecar=fake)
    ask(nginx)
    assert gateway_metrics(nginx).sum("quota_gateway_sidecar_up") == 1
    fake.stop()
    wait_until(lambda: gateway_metrics(nginx).sum("quota_gateway_sidecar_up") == 0,
               "nginx notices that the sidecar has gone")


def test_the_counters_survive_a_reload(stack):
    nginx = stack.nginx(SERVER, sidecar=stack.fake_sidecar())
    ask_many(nginx, 10)
    nginx.reload()
    ask_many(nginx, 5)
    assert gateway_metrics(nginx).sum("quota_gateway_requests_total", outcome="allowed") == 15


def test_the_metrics_page_is_itself_not_counted(stack):
    nginx = stack.nginx("quota on;" + SERVER, sidecar=stack.fake_sidecar())
    for _ in range(3):
        gateway_metrics(nginx)
    assert gateway_metrics(nginx).sum("quota_gateway_requests_total") == 0


@pytest.fixture(name="quotad")
def fixture_quotad(stack):
    return stack.quotad(policy([consumer("acme", "free")]))


def test_quotad_counts_decisions_by_tier_endpoint_outcome_and_reason(stack, quotad):
    nginx = stack.nginx(SERVER, sidecar=quotad)
    ask_many(nginx, 60, "/compare", key="acme-key")
    metrics = quotad.metrics()
    labels = {"tier": "free", "endpoint": "/compare"}
    allowed = metrics.sum("quota_decisions_total", outcome="allowed", reason="ok", **labels)
    denied = metrics.sum("quota_decisions_total", outcome="denied", reason="minute", **labels)
    assert allowed + denied == 60
    assert 50 <= allowed <= 59


def test_quotad_counts_every_check_of_every_worker(stack, quotad):
    nginx = stack.nginx(SERVER, sidecar=quotad, workers=3)
    at_once(30, lambda _: ask_many(nginx, 10, "/health"))
    metrics = quotad.metrics()
    assert metrics.sum("quota_decisions_total") == 300
    assert metrics.sum("quota_decisions_total", outcome="exempt") == 300
    assert metrics.sum("quota_batch_checks_sum") == 300


def test_quotad_shows_the_metrics_that_are_promised(quotad):
    quotad.check(method="GET", path=b"/identify", api_key=b"acme-key")
    names = quotad.metrics().names()
    promised = {
        "quota_decisions_total", "quota_decision_duration_seconds_count", "quota_batch_checks_count",
        "quota_subjects", "quota_store_up", "quota_store_requests_total", "quota_degraded",
        "quota_policy_loads_total", "quota_policy_info", "quota_policy_stale", "quota_build_info"}
    assert promised - names == set()


def test_quotad_counts_policy_loads(quotad):
    metrics = quotad.metrics()
    assert metrics.sum("quota_policy_loads_total", result="loaded") == 1
    assert metrics.sum("quota_policy_info") == 1


def test_quotad_says_that_a_policy_was_rejected_until_a_good_one_comes(quotad):
    assert quotad.metrics().sum("quota_policy_stale") == 0
    quotad.set_policy("version: 1\nmode: shadwo\n")
    wait_until(lambda: quotad.metrics().sum("quota_policy_stale") == 1, "the policy is rejected")
    assert quotad.metrics().sum("quota_policy_loads_total", result="rejected") == 1
    quotad.set_policy(policy([consumer("acme", "pro")]))
    wait_until(lambda: quotad.metrics().sum("quota_policy_stale") == 0, "a good policy is taken up")
