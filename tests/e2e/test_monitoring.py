"""monitoring/ and its runbook: rules, their tests, dashboards, and what is made of them."""

import importlib.util
import json
import re

import pytest
import yaml

from harness import promql
from harness.environment import REPO

MONITORING = REPO / "monitoring"
PROMETHEUS = MONITORING / "prometheus"
KUBERNETES = MONITORING / "kubernetes"
GRAFANA = MONITORING / "grafana"
RUNBOOK = REPO / "docs" / "runbook.md"

RULES = [rule for group in yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"]
         for rule in group["rules"]]
CASES = [case for path in sorted((PROMETHEUS / "tests").glob("*.yaml"))
         for test in yaml.safe_load(path.read_text())["tests"]
         for case in test["alert_rule_test"]]
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
JOBS = {job["job_name"]
        for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]}

each_alert = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def anchors(markdown):
    """The anchors of a document's headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", markdown, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def panels(path):
    return json.loads(path.read_text())["panels"]


def graphs(path):
    return [panel for panel in panels(path) if panel["type"] != "row"]


def targets(path):
    return [target for panel in graphs(path) for target in panel["targets"]]


# -- alerts


def test_promtool_accepts_the_rules_and_the_configuration():
    for what, name in (("rules", "alerts.yaml"), ("config", "prometheus.yml")):
        code, said = promql.promtool("check", what, PROMETHEUS / name)
        assert code == 0 and "SUCCESS" in said, said


@pytest.mark.parametrize("path", sorted((PROMETHEUS / "tests").glob("*.yaml")),
                         ids=lambda path: path.stem)
def test_the_alerts_do_what_their_tests_say(path):
    code, said = promql.promtool("test", "rules", path)
    assert code == 0, said


@each_alert
def test_an_alert_has_a_case_that_fires_and_one_that_does_not(rule):
    cases = [case for case in CASES if case["alertname"] == rule["alert"]]
    assert any(case["exp_alerts"] for case in cases)
    assert any(not case["exp_alerts"] for case in cases)


@each_alert
def test_an_alert_says_what_how_bad_and_what_to_do(rule):
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    annotations = rule["annotations"]
    assert annotations["summary"] and annotations["description"]
    assert annotations["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
    assert rule["alert"].lower() in anchors(RUNBOOK.read_text())


def test_every_alert_is_there_once():
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))


def test_the_runbook_has_no_section_of_an_alert_that_is_gone():
    sections = set(re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.M))
    assert sections == {rule["alert"] for rule in RULES}


def test_every_job_that_an_alert_names_is_scraped():
    named = {job for rule in RULES for _, labels in promql.selectors(rule["expr"])
             for value in labels.get("job", []) for job in value.split("|")}
    assert named and named <= JOBS


# -- Kubernetes


def test_the_prometheus_rule_holds_the_same_alerts():
    (rule,) = documents(KUBERNETES / "prometheusrule.yaml")
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())


def test_the_monitors_scrape_the_same_jobs_and_paths():
    scraped = {}
    for path in (KUBERNETES / "podmonitor.yaml", KUBERNETES / "servicemonitor.yaml"):
        for monitor in documents(path):
            assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
            assert monitor["spec"]["selector"]["matchLabels"]
            kind = monitor["kind"]
            assert kind == ("PodMonitor" if path.stem == "podmonitor" else "ServiceMonitor")
            field = "podMetricsEndpoints" if kind == "PodMonitor" else "endpoints"
            for endpoint in monitor["spec"][field]:
                (relabeling,) = endpoint["relabelings"]
                assert relabeling["targetLabel"] == "job"
                scraped[relabeling["replacement"]] = endpoint["path"]
    plain = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    assert scraped == {job["job_name"]: job.get("metrics_path", "/metrics") for job in plain}


# -- what is made of other files


def test_generated_files_are_what_the_generator_makes():
    spec = importlib.util.spec_from_file_location("generate", MONITORING / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    made = generate.outputs()
    assert set(DASHBOARDS) <= set(made), "a dashboard that nothing makes"
    for path, text in made.items():
        assert path.read_text() == text, f"{path} is stale: run monitoring/generate.py"


# -- dashboards


@each_dashboard
def test_a_dashboard_can_be_provisioned(path):
    document = json.loads(path.read_text())
    assert document["uid"].startswith("quotagate-")
    assert document["schemaVersion"] >= 36
    assert "id" not in document, "Grafana gives ids"
    variables = {one["name"]: one for one in document["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for name in ("job", "instance"):
        assert variables[name]["multi"] and variables[name]["includeAll"]
    identities = [panel["id"] for panel in document["panels"]]
    assert len(identities) == len(set(identities))


@each_dashboard
def test_every_panel_explains_itself(path):
    for panel in graphs(path):
        assert panel["title"] and len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]


def test_no_two_panels_of_a_dashboard_have_the_same_title():
    for path in DASHBOARDS:
        titles = [panel["title"] for panel in graphs(path)]
        assert len(titles) == len(set(titles))


@each_dashboard
def test_panels_do_not_overlap_and_stay_inside(path):
    taken = {}
    for panel in panels(path):
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


@each_dashboard
def test_every_query_follows_the_variables(path):
    for target in targets(path):
        assert target["datasource"]["uid"] == "${datasource}"
        ranges = re.findall(r"\[([^\]]+)\]", target["expr"])
        assert set(ranges) <= {"$__rate_interval", "$__range"}, target["expr"]
        for metric, labels in promql.selectors(target["expr"]):
            if metric.startswith(("container_", "kube_", "ALERTS")):
                continue  # they know neither our jobs nor our instances
            assert labels.keys() >= {"job", "instance"}, target["expr"]


@each_dashboard
def test_every_query_can_be_read(path, tmp_path):
    expressions = [target["expr"] for target in targets(path)]
    assert expressions
    said = promql.complaints(expressions, tmp_path)
    assert not said, said


def test_a_query_that_cannot_be_read_is_noticed(tmp_path):
    assert "parse" in promql.complaints(["sum(rate(up[$__rate_interval])", "up"], tmp_path)


@each_dashboard
def test_links_lead_to_sections_of_the_runbook(path):
    known = anchors(RUNBOOK.read_text())
    links = [link["url"] for panel in graphs(path) for link in panel["links"]]
    assert links
    for url in links:
        file, anchor = url.split("#")
        assert file == "docs/runbook.md" and anchor in known, url


def test_every_alert_is_linked_from_a_panel():
    linked = {link["url"] for path in DASHBOARDS for panel in graphs(path)
              for link in panel["links"]}
    assert {rule["annotations"]["runbook_url"] for rule in RULES} <= linked


def panels_named_in(text):
    """*Gateway › Targets down* and *Targets down*, but nothing **bold**."""
    named = re.findall(r"\*([A-Z][^*]+)\*", re.sub(r"\*\*[^*]+\*\*", "", text).replace("\n", " "))
    return {name.split(" › ")[-1] for name in named} - {"Gateway", "Quota", "Kong"}


def test_panels_that_the_runbook_names_for_an_alert_link_to_it():
    linked = {(panel["title"], link["url"])
              for path in DASHBOARDS for panel in graphs(path) for link in panel["links"]}
    sections = re.findall(r"^### (\w+)$(.*?)(?=^##|\Z)", RUNBOOK.read_text(), re.M | re.S)
    missing = [(alert, title) for alert, text in sections for title in panels_named_in(text)
               if (title, f"docs/runbook.md#{alert.lower()}") not in linked]
    assert sections and not missing


def test_grafana_is_provisioned_with_the_interval_of_prometheus():
    (source,) = yaml.safe_load(
        (GRAFANA / "provisioning" / "datasources" / "prometheus.yaml").read_text())["datasources"]
    configured = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == configured["scrape_interval"]
    (provider,) = yaml.safe_load(
        (GRAFANA / "provisioning" / "dashboards" / "quotagate.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "$QUOTAGATE_DASHBOARDS"


def test_panels_that_the_runbook_names_exist():
    titles = {panel["title"] for path in DASHBOARDS for panel in graphs(path)}
    named = panels_named_in(RUNBOOK.read_text())
    assert len(named) > 20
    assert named <= titles, named - titles
