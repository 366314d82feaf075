"""Whether what is scraped, alerted on and drawn is that of monitoring/."""

import json
import re

import yaml

from manifests import known, render
from manifests.world import matches

SOURCE = render.REPO / "monitoring"
# Path of a page -> the text of a configuration that makes it. Others are the programs' own.
GATEWAY_METRICS = re.compile(r"location = /gateway-metrics \{[^}]*quota_metrics;")


def complaints(world):
    if not any(one["kind"] in ("PodMonitor", "ServiceMonitor", "PrometheusRule")
               for one in world.objects):
        return
    yield from _alerts(world)
    yield from _dashboards(world)
    yield from _jobs(world)


def _alerts(world):
    wanted = yaml.safe_load((SOURCE / "prometheus" / "alerts.yaml").read_text())
    rules = world.of_kind("PrometheusRule")
    if len(rules) != 1 or rules[0]["spec"] != {"groups": wanted["groups"]}:
        yield "the alerts are not those of monitoring/prometheus/alerts.yaml"


def _dashboards(world):
    found = {key: text for one in world.of_kind("ConfigMap")
             if one["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
             for key, text in one["data"].items()}
    wanted = {path.name: path.read_text()
              for path in (SOURCE / "grafana" / "dashboards").glob("*.json")}
    if {key: json.loads(text) for key, text in found.items()} != {
            key: json.loads(text) for key, text in wanted.items()}:
        yield "the dashboards are not those of monitoring/grafana/dashboards"


def scraped(world):
    """(job, pod, port, path) of all that Prometheus asks."""
    found = set()
    for monitor in world.of_kind("PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            for pod in world.pods():
                if matches(monitor["spec"]["selector"], pod.labels) and \
                        endpoint["port"] in pod.ports():
                    found.add((_job(endpoint), pod.name, pod.ports()[endpoint["port"]],
                               endpoint["path"]))
    for monitor in world.of_kind("ServiceMonitor"):
        for service in world.of_kind("Service"):
            if not matches(monitor["spec"]["selector"], service["metadata"].get("labels", {})):
                continue
            for endpoint in monitor["spec"]["endpoints"]:
                for port in service["spec"]["ports"]:
                    if port["name"] == endpoint["port"]:
                        found |= {(_job(endpoint), pod.name, pod.ports().get(port["targetPort"]),
                                   endpoint["path"])
                                  for pod in world.selected(service["spec"].get("selector"))}
    return found


def _job(endpoint):
    """The name that alerts and dashboards know."""
    return next((one["replacement"] for one in endpoint.get("relabelings", [])
                 if one.get("targetLabel") == "job"), None)


def wanted(world):
    found = set()
    for pod in world.gateways():
        if pod.container("quotad"):
            found.add(("quotad", pod.name, 9180, "/metrics"))
        if pod.container("kong"):
            found |= {("kong", pod.name, 8100, "/metrics"),
                      ("nginx", pod.name, 8100, "/gateway-metrics")}
        if pod.container("nginx"):
            found.add(("nginx", pod.name, 9145, "/gateway-metrics"))
    if world.pod("quota-redis"):
        found.add(("redis", "quota-redis", 9121, "/metrics"))
    return found


def _jobs(world):
    there, needed = scraped(world), wanted(world)
    yield from (f"nobody scrapes {one}" for one in sorted(needed - there, key=str))
    yield from (f"there is no reason to scrape {one}" for one in sorted(there - needed, key=str))
    for pod in world.gateways():
        gateway = pod.spec["containers"][0]
        texts = known.texts(pod, gateway, world)
        if not any(GATEWAY_METRICS.search(text) for text in texts.values()):
            yield f"{pod} has no page /gateway-metrics"
