"""A real Prometheus: it scrapes what runs, its alerts fire and resolve, and every metric that a
rule or a dashboard asks for is there."""

import json
import re

import pytest
import yaml

from harness import promql
from harness.client import ask, ask_many
from harness.environment import REPO
from harness.nginx import CHECKED
from harness.process import wait_until
from harness.quotad import consumer, policy

MONITORING = REPO / "monitoring"
SERVER = f"""
    location / {{ {CHECKED} }}
    location = /gateway-metrics {{ quota_metrics; }}
"""

# Values of labels that only somebody's intervention brings about.
RARE = {("quota_mode_info", "source"): {"override"}}

# Metrics that others make, and where their names are from.
FOREIGN = {
    **dict.fromkeys(("up", "scrape_duration_seconds", "ALERTS"), "Prometheus itself"),
    **dict.fromkeys(
        ("kong_http_requests_total", "kong_request_latency_ms", "kong_kong_latency_ms",
         "kong_upstream_latency_ms", "kong_datastore_reachable", "kong_upstream_target_health",
         "kong_nginx_connections_total", "kong_memory_lua_shared_dict_bytes",
         "kong_memory_lua_shared_dict_total_bytes"),
        "Kong 3, kong/plugins/prometheus/exporter.lua"),
    **dict.fromkeys(
        ("redis_up", "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_commands_total",
         "redis_commands_duration_seconds_total"), "oliver006/redis_exporter, exporter/"),
    **dict.fromkeys(
        ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes",
         "container_cpu_cfs_throttled_periods_total", "container_cpu_cfs_periods_total"),
        "cadvisor, docs/storage/prometheus.md"),
    "kube_pod_container_status_restarts_total": "kube-state-metrics, docs/metrics/workload/",
}


def alert_expressions():
    groups = yaml.safe_load((MONITORING / "prometheus" / "alerts.yaml").read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def dashboard_expressions():
    return [target["expr"]
            for path in sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
            for panel in json.loads(path.read_text())["panels"]
            for target in panel.get("targets", [])]


class Gateways:
    """Three quotads with a different store or mode, an nginx, and traffic of every kind."""

    def __init__(self, stack):
        redis = stack.redis()
        consumers = [consumer("acme", "free"), consumer("big", "enterprise")]
        self.local = stack.quotad(policy(consumers))
        self.shared = stack.quotad(policy(consumers), store=f"redis+unix://{redis.socket_path}")
        self.shadow = stack.quotad(policy(consumers, mode="shadow"))
        self.off = stack.quotad(policy(consumers, mode="off"))
        self.nginx = stack.nginx(SERVER, sidecar=self.shared)
        self.make_traffic()

    @property
    def quotads(self):
        return (self.local, self.shared, self.shadow, self.off)

    def make_traffic(self):
        ask_many(self.nginx, 60, "/compare", key="acme-key")
        for quotad in self.quotads:
            for _ in range(60):
                quotad.check(method="GET", path=b"/compare", api_key=b"acme-key")
            quotad.check(method="GET", path=b"/identify", api_key=b"big-key")

    def pages(self):
        return [*(quotad.metrics().text for quotad in self.quotads),
                ask(self.nginx, "/gateway-metrics").body.decode()]


@pytest.fixture(name="gateways")
def fixture_gateways(stack):
    return Gateways(stack)


def targets_of(quotads, nginx):
    return {"quotad": [quotad.admin_address for quotad in quotads],
            "nginx": [f"{nginx.host}:{nginx.port}"]}


def announced(pages):
    """The metrics of some pages: {name: {label: values}}."""
    found = {name: {} for page in pages for name in re.findall(r"^# TYPE (\S+)", page, re.M)}
    for page in pages:
        for name, labels in re.findall(r"^(\w+)\{(.*)\} \S+$", page, re.M):
            family = name if name in found else promql.family_of(name)
            for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels):
                found[family].setdefault(label, set()).add(value)
    return found


# -- names


def test_every_metric_that_is_asked_for_exists(gateways):
    known = announced(gateways.pages())
    asked = set()
    for expr in alert_expressions() + dashboard_expressions():
        for metric in promql.metrics_of(expr):
            asked.add(family := metric if metric in known else promql.family_of(metric))
            assert family in known or family in FOREIGN, f"nobody has {metric}: {expr}"
    assert set(FOREIGN) <= asked, "a foreign metric is listed that nobody asks for"


def test_every_label_that_is_asked_for_exists(gateways):
    known = announced(gateways.pages())
    seen = 0
    for expr in alert_expressions() + dashboard_expressions():
        for metric, matchers in promql.selectors(expr):
            has = known.get(metric, known.get(promql.family_of(metric)))
            if has is None:
                continue
            for label in matchers.keys() - {"job", "instance"}:
                assert label in has, f"{metric} has no label {label}: {expr}"
                values = has[label] | RARE.get((metric, label), set())
                for pattern in (part for value in matchers[label] for part in value.split("|")):
                    seen += 1
                    assert any(re.fullmatch(pattern, value) for value in values), \
                        f"{metric} never has {label}={pattern}: {expr}"
    assert seen > 20


def test_promtool_finds_no_fault_with_the_metrics(gateways):
    for page in gateways.pages():
        code, said = promql.promtool("check", "metrics", stdin=page)
        assert (code, said) == (0, "")


# -- dashboards


def test_every_panel_about_quotad_and_nginx_shows_something(stack, gateways):
    prometheus = stack.prometheus(**targets_of(gateways.quotads, gateways.nginx))
    wait_until(lambda: len(prometheus.query("up == 1")) == 5, "everybody is scraped")
    gateways.make_traffic()
    shown = 0
    for expr in dashboard_expressions():
        metrics = {promql.family_of(metric) for metric in promql.metrics_of(expr)}
        query = promql.without_variables(expr)
        prometheus.query(query)  # whatever it asks for, Prometheus can answer
        if all(metric.startswith("quota_") for metric in metrics):
            shown += 1
            wait_until(lambda q=query: prometheus.query(q), f"something is shown by {expr}")
    assert shown > 30


# -- alerts


def test_a_sidecar_that_is_killed_fires_until_it_is_back(stack):
    quotad = stack.quotad(policy([consumer("acme", "free")]))
    nginx = stack.nginx(SERVER, sidecar=quotad)
    ask(nginx, "/identify", key="acme-key")
    prometheus = stack.prometheus(**targets_of([quotad], nginx))
    wait_until(lambda: len(prometheus.query("up == 1")) == 2, "both are scraped")
    wait_until(lambda: prometheus.query("quota_gateway_sidecar_up == 1"), "nginx has its sidecar")
    assert prometheus.firing() == []

    quotad.kill()
    wait_until(lambda: {alert["job"] for alert in prometheus.firing("QuotaSidecarDown")} ==
               {"quotad", "nginx"}, "the alert fires, from both sides")
    descriptions = " ".join(alert["description"] for alert in prometheus.firing())
    assert f"The gateway {nginx.host}:{nginx.port} has not reached quotad" in descriptions
    assert {alert["severity"] for alert in prometheus.firing("QuotaSidecarDown")} == {"critical"}

    quotad.start()
    wait_until(lambda: prometheus.firing("QuotaSidecarDown") == [], "the alert is resolved")


def test_a_wrong_policy_fires_until_a_good_one_comes(stack):
    good = policy([consumer("acme", "free")])
    quotad = stack.quotad(good)
    prometheus = stack.prometheus(quotad=[quotad.admin_address])
    wait_until(lambda: prometheus.query("quota_policy_stale == 0"), "quotad is scraped")
    quotad.set_policy("version: 1\nmode: shadwo\n")
    wait_until(lambda: prometheus.firing("QuotaPolicyRejected"), "the alert fires")
    assert [alert["alertname"] for alert in prometheus.firing()] == ["QuotaPolicyRejected"]
    quotad.set_policy(good + "\n")
    wait_until(lambda: prometheus.firing() == [], "the alert is resolved")


def test_redis_that_is_away_fires(stack):
    redis = stack.redis()
    quotad = stack.quotad(store=f"redis+unix://{redis.socket_path}")
    prometheus = stack.prometheus(quotad=[quotad.admin_address])
    wait_until(lambda: prometheus.query("quota_store_up == 1"), "quotad is scraped")
    assert prometheus.firing() == []
    redis.stop()
    wait_until(lambda: {alert["alertname"] for alert in prometheus.firing()} >=
               {"RateLimitingRedisDown", "QuotaDegraded"}, "both alerts fire")
