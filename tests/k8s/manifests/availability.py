"""Whether nothing is lost when pods come and go: budgets, spread, grace, autoscalers, the
sidecar."""

import re

import yaml

from manifests.world import matches

# Between the last that is waited for and the kill.
SPARE_SECONDS = 5


def complaints(world):
    for pod in world.pods():
        yield from (f"{pod}: {what}" for what in _disruption(pod, world))
        yield from (f"{pod}: {what}" for what in _spread(pod))
        yield from (f"{pod}: {what}" for what in _grace(pod, world))
    for pod in world.gateways():
        yield from (f"{pod}: {what}" for what in _gateway(pod, world))
        yield from (f"{pod}: {what}" for what in _sidecar(pod))
    yield from _scalers(world)


def budget_of(pod, world):
    found = [one for one in world.of_kind("PodDisruptionBudget")
             if matches(one["spec"]["selector"], pod.labels)]
    return found[0]["spec"] if found else None


def scalers_of(pod, world):
    return [one for one in world.of_kind("HorizontalPodAutoscaler") + world.of_kind("ScaledObject")
            if one["spec"]["scaleTargetRef"]["name"] == pod.name]


def fewest(pod, world):
    """The replicas that there are at least."""
    for scaler in scalers_of(pod, world):
        return scaler["spec"].get("minReplicas", scaler["spec"].get("minReplicaCount", 0))
    return pod.replicas


def _disruption(pod, world):
    budget = budget_of(pod, world)
    if budget is None:
        if pod.kind != "Job" and pod.replicas > 1:
            yield "has several pods and no budget"
        return
    if budget.get("minAvailable") != 2:
        yield "its budget is not two"
    elif fewest(pod, world) <= budget["minAvailable"]:
        yield "its budget lets no pod go, so no node can be drained"


def _spread(pod):
    if pod.kind == "Job" or pod.replicas < 2:
        return
    keys = {one["topologyKey"] for one in pod.spec.get("topologySpreadConstraints", [])}
    if "topology.kubernetes.io/zone" not in keys:
        yield "is not spread over zones"
    if not pod.spec.get("affinity", {}).get("podAntiAffinity"):
        yield "may lie on one node altogether"
    if pod.kind == "Deployment":
        update = pod.owner["spec"].get("strategy", {}).get("rollingUpdate", {})
        if update.get("maxUnavailable") != 0:
            yield "loses a pod before the new one is there"


def stopping_seconds(pod, world):
    """What the end of the pod may take, by its own settings."""
    total = 0
    for container in pod.long_running():
        hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
        text = " ".join(hook)
        total += sum(map(int, re.findall(r"--(?:wait|timeout)=(\d+)", text)))
        total += sum(map(int, re.findall(r"^.*sleep (\d{2,});", text)))
        image = container["image"].rsplit(":", 1)[0]
        if image == "quotagate/nginx" and hook:
            total += shutdown_timeout_of_nginx(world)
        if text.endswith("stop-redis.sh"):
            config = world.starting_with("ConfigMap", "quota-redis-scripts")
            total += int(re.search(r"^left=(\d+)", config["data"].get("stop-redis.sh", "left=0"),
                                   re.MULTILINE)[1])
        for entry in container.get("env", []):
            if entry["name"] == "QUOTAD_DRAIN_TIMEOUT_MS":
                total += int(entry["value"]) / 1000
    return total


def shutdown_timeout_of_nginx(world):
    config = world.starting_with("ConfigMap", "nginx-gateway")
    found = re.search(r"^worker_shutdown_timeout (\d+)s;",
                      config["data"].get("nginx.conf", "") if config else "", re.MULTILINE)
    return int(found[1]) if found else 0


def longest_answer_of_nginx(world):
    """A second try that begins as late as it may, and then says nothing for as long as it may."""
    text = world.starting_with("ConfigMap", "nginx-gateway")["data"]["proxy.conf"]
    return sum(int(re.search(rf"^{name} +(\d+)s;", text, re.MULTILINE)[1])
               for name in ("proxy_next_upstream_timeout", "proxy_read_timeout"))


def _grace(pod, world):
    if pod.kind == "Job":
        return
    takes = stopping_seconds(pod, world)
    grace = pod.spec.get("terminationGracePeriodSeconds", 30)
    if grace < takes + SPARE_SECONDS:
        yield f"is killed after {grace} s, and may take {takes} s to stop"


def _hook(pod):
    for container in pod.spec["containers"]:
        command = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
        if command:
            return " ".join(command)
    return ""


def _gateway(pod, world):
    wait = re.search(r"--wait=(\d+)|^/bin/sh -c sleep (\d+);", _hook(pod))
    if wait is None or int(wait[1] or wait[2]) < 10:
        yield "stops before load balancers have noticed"
    if pod.replicas < 2:
        return
    if budget_of(pod, world) is None:
        yield "has no budget"
    if len(scalers_of(pod, world)) != 1:
        yield f"is scaled by {len(scalers_of(pod, world))}, and must be by one"
    config = world.get("ConfigMap", "kong-config")
    if pod.name == "kong" and config is not None:
        yield from _kong_waits(pod, config)


def _kong_waits(pod, config):
    """Requests under way have as long as they may take."""
    drain = re.search(r"--timeout=(\d+)", _hook(pod))
    kong = yaml.safe_load(config["data"].get("kong.yaml", "")) or {}
    again = pod.env("kong").get("KONG_NGINX_PROXY_PROXY_NEXT_UPSTREAM_TIMEOUT") or "0s"
    for service in kong.get("services", []):
        longest = service["read_timeout"] / 1000 + int(again[:-1])
        if drain is None or int(drain[1]) < longest:
            yield f"a request to {service['name']} may take {longest} s, and is cut off earlier"


def _sidecar(pod):
    quotad = next((one for one in pod.sidecars() if one["name"] == "quotad"), None)
    if quotad is None:
        yield "has no quotad as a sidecar"
        return
    if "startupProbe" not in quotad:
        yield "does not wait for quotad"
    mounts = {mount["name"]: mount["mountPath"] for mount in quotad["volumeMounts"]}
    socket = pod.volumes().get("quota-socket", {})
    if mounts.get("quota-socket") != "/run/quota" or "emptyDir" not in socket:
        yield "quotad's socket is not in a directory of the pod"
    if mounts.get("quota-policy") != "/etc/quota/policy":
        yield "quotad's policy is not a directory"
    main = pod.spec["containers"][0]
    if {"name": "quota-socket", "mountPath": "/run/quota"} not in main.get("volumeMounts", []):
        yield "the gateway does not see the socket"
    if "fsGroup" not in pod.spec.get("securityContext", {}):
        yield "gateway and quotad have no group in common"


def _scalers(world):
    for scaler in world.of_kind("HorizontalPodAutoscaler") + world.of_kind("ScaledObject"):
        name, spec = f"{scaler['kind']} {scaler['metadata']['name']}", scaler["spec"]
        least = spec.get("minReplicas", spec.get("minReplicaCount", 0))
        if least < 1 or "idleReplicaCount" in spec:
            yield f"{name} may scale to nothing"
        if scaler["kind"] == "ScaledObject":
            fallback = spec.get("fallback", {})
            if fallback.get("replicas", 0) < least:
                yield f"{name} has no fallback, or one below its minimum"
            for trigger in spec["triggers"]:
                if trigger["type"] == "prometheus":
                    yield from (f"{name}: {what}" for what in _trigger(trigger))
            if not any("quota_" in trigger["metadata"].get("query", "")
                       for trigger in spec["triggers"]):
                yield f"{name} does not look at quotas"


def _trigger(trigger):
    # KEDA's fallback knows no other, and takes lost metrics for zero unless told.
    if trigger.get("metricType") != "AverageValue":
        yield "fallback wants AverageValue"
    if trigger["metadata"].get("ignoreNullValues") != "false":
        yield "metrics that are lost would look like a quiet night"
