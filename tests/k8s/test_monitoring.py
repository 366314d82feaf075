"""Prometheus finds everything, and alerts and dashboards are those of monitoring/."""

import subprocess

import pytest
import yaml

from manifests import monitoring

MONITORED = ["overlays/staging", "overlays/production", "dbless-monitored", "nginx-monitored"]


def test_all_is_scraped_and_alerts_and_dashboards_are_ours(world):
    assert not list(monitoring.complaints(world))


@pytest.mark.parametrize("name", MONITORED)
def test_it_is_there_at_all(worlds, name):
    jobs = {job for job, *_ in monitoring.scraped(worlds[name])}
    assert jobs == ({"quotad", "nginx", "redis"} if name.startswith("nginx")
                    else {"quotad", "nginx", "redis", "kong"})
    assert len([one for one in worlds[name].of_kind("ConfigMap")
                if one["metadata"]["labels"].get("grafana_dashboard")]) == 2


@pytest.mark.parametrize("name", MONITORED)
def test_promtool_takes_the_alerts(worlds, name, tmp_path):
    rule = worlds[name].of_kind("PrometheusRule")[0]
    path = tmp_path / "alerts.yaml"
    path.write_text(yaml.safe_dump(rule["spec"]))
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    rules = [one for group in rule["spec"]["groups"] for one in group["rules"]]
    assert f"{len(rules)} rules found" in done.stdout and len(rules) > 10


def test_promtool_sees_a_mistake_in_them(worlds, tmp_path):
    rule = worlds["overlays/production"].of_kind("PrometheusRule")[0]
    path = tmp_path / "alerts.yaml"
    path.write_text(yaml.safe_dump(rule["spec"]).replace("rate(", "rates("))
    assert subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True,
                          timeout=30, check=False).returncode != 0


def test_nothing_of_it_is_where_no_operator_is(worlds):
    for name in ("api-gateway", "api-gateway-dbless", "nginx-gateway", "overlays/development"):
        assert all("monitoring.coreos.com" not in one["apiVersion"]
                   and "keda" not in one["apiVersion"] for one in worlds[name].objects)
