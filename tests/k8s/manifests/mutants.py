"""Worlds with one thing deleted or renamed, each in turn: what the checks must notice."""

from manifests.world import WORKLOADS

OTHER = "something-else"

# Found by labels only; their names say something to people.
UNNAMED = {"NetworkPolicy", "PodMonitor", "ServiceMonitor", "PrometheusRule"}
ALSO_UNNAMED = {"quota-redis-metrics", "quotagate-dashboard-gateway", "quotagate-dashboard-quota"}


def _delete(parent, key):
    del parent[key]


def _rename(parent, key):
    value = parent[key]
    parent[key] = value + 1 if isinstance(value, int) else f"{value}-{OTHER}"


def mutants(world):
    """(what was done, the world with it)."""
    for index, one in enumerate(world.objects):
        name = f"{one['kind']} {one['metadata']['name']}"
        changed = world.copy()
        del changed.objects[index]
        yield f"{name} deleted", changed
        for path, how in _places(one):
            changed = world.copy()
            parent = changed.objects[index]
            for key in path[:-1]:
                parent = parent[key]
            how(parent, path[-1])
            yield f"{name}: {'.'.join(map(str, path))} {how.__name__[1:]}d", changed


def _places(one):
    if one["kind"] not in UNNAMED and one["metadata"]["name"] not in ALSO_UNNAMED:
        yield ("metadata", "name"), _rename
    if one["kind"] == "Namespace":
        yield from ((("metadata", "labels", key), _rename) for key in one["metadata"]["labels"]
                    if key.startswith("pod-security") and not key.endswith("version"))
    if one["kind"] == "ConfigMap":
        for key in one["data"]:
            yield ("data", key), _delete
    if one["kind"] in WORKLOADS:
        yield from _of_workload(one["spec"])
    for kind, places in OF_KINDS.items():
        if one["kind"] == kind:
            yield from places(one["spec"])


def _of_workload(spec):
    template = ("spec", "template", "spec")
    pod = spec["template"]["spec"]
    for label in ("app.kubernetes.io/name", "app.kubernetes.io/component",
                  "app.kubernetes.io/part-of"):
        yield ("spec", "template", "metadata", "labels", label), _delete
    yield ("spec", "template", "metadata", "labels", "app.kubernetes.io/name"), _rename
    for key in spec.get("selector", {}).get("matchLabels", {}):
        yield ("spec", "selector", "matchLabels", key), _rename
    if "serviceName" in spec:
        yield ("spec", "serviceName"), _rename
    yield template + ("serviceAccountName",), _rename
    if spec.get("replicas", 1) > 1:
        yield from ((template + (field,), _delete)
                    for field in ("topologySpreadConstraints", "affinity"))
    for index, volume in enumerate(pod.get("volumes", [])):
        yield template + ("volumes", index), _delete
        yield template + ("volumes", index, "name"), _rename
        for field, name in (("configMap", "name"), ("secret", "secretName"),
                            ("persistentVolumeClaim", "claimName")):
            if field in volume and not volume[field].get("optional"):
                yield template + ("volumes", index, field, name), _rename
    for group in ("initContainers", "containers"):
        for index, container in enumerate(pod.get(group, [])):
            yield from _of_container(template + (group, index), container)


def _of_container(base, container):
    for index, mount in enumerate(container.get("volumeMounts", [])):
        # /tmp and its like are known to the image only.
        if mount["mountPath"].startswith(("/etc/", "/run/quota", "/var/lib/quotad")) and \
                mount["mountPath"] != "/run/quota-redis":
            yield base + ("volumeMounts", index), _delete
            yield base + ("volumeMounts", index, "mountPath"), _rename
        yield base + ("volumeMounts", index, "name"), _rename
    for index, port in enumerate(container.get("ports", [])):
        yield base + ("ports", index), _delete
        yield base + ("ports", index, "containerPort"), _rename
        if "name" in port:
            yield base + ("ports", index, "name"), _rename
    for index, entry in enumerate(container.get("env", [])):
        reference = entry.get("valueFrom", {}).get("secretKeyRef")
        if reference:
            for key in ("name", "key"):
                yield base + ("env", index, "valueFrom", "secretKeyRef", key), _rename
        elif (entry.get("value") or "").startswith("/etc/"):
            yield base + ("env", index), _delete
            yield base + ("env", index, "value"), _rename
        elif entry["name"] in ("KONG_PG_HOST", "QUOTA_REDIS_HOSTS", "KONG_DATABASE",
                               "KONG_NGINX_MAIN_LOAD_MODULE"):
            yield base + ("env", index), _delete
        if entry["name"] == "KONG_PG_HOST":
            yield base + ("env", index, "value"), _rename
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if "httpGet" in container.get(probe, {}):
            yield base + (probe, "httpGet", "port"), _rename
        if probe in container:
            yield base + (probe,), _delete
    if "lifecycle" in container and not container["image"].startswith("redis"):
        yield base + ("lifecycle",), _delete


def _of_service(spec):
    for key in spec["selector"]:
        yield ("spec", "selector", key), _rename
    for index, port in enumerate(spec["ports"]):
        yield ("spec", "ports", index, "targetPort"), _rename
        if len(spec["ports"]) > 1:
            yield ("spec", "ports", index), _delete


def _of_budget(spec):
    yield ("spec", "minAvailable"), _rename
    for key in spec["selector"]["matchLabels"]:
        yield ("spec", "selector", "matchLabels", key), _rename


def _of_scaler(spec):
    yield ("spec", "scaleTargetRef", "name"), _rename
    for index, _ in enumerate(spec.get("metrics", [])):
        yield ("spec", "metrics", index, "containerResource", "container"), _rename
    for field in ("minReplicas", "minReplicaCount", "fallback"):
        if field in spec:
            yield ("spec", field), _delete
    for index, trigger in enumerate(spec.get("triggers", [])):
        if "containerName" in trigger["metadata"]:
            yield ("spec", "triggers", index, "metadata", "containerName"), _rename


def _of_policy(spec):
    for field, side in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(field, [])):
            yield ("spec", field, index), _delete
            for number, _ in enumerate(rule.get("ports", [])):
                if len(rule["ports"]) > 1:
                    yield ("spec", field, index, "ports", number), _delete
                yield ("spec", field, index, "ports", number, "port"), _rename
            # Nobody named is everybody.
            if side in rule:
                yield ("spec", field, index, side), _delete
            yield ("spec", field, index, "ports"), _delete
    for key in spec["podSelector"].get("matchLabels", {}):
        yield ("spec", "podSelector", "matchLabels", key), _rename


def _of_monitor(field):
    def places(spec):
        for key in spec["selector"]["matchLabels"]:
            yield ("spec", "selector", "matchLabels", key), _rename
        for index, _ in enumerate(spec[field]):
            yield ("spec", field, index), _delete
            for what in ("port", "path", "relabelings"):
                yield ("spec", field, index, what), (_delete if what == "relabelings" else _rename)
    return places


def _of_rule(spec):
    for index, _ in enumerate(spec["groups"]):
        yield ("spec", "groups", index), _delete


OF_KINDS = {"Service": _of_service, "PodDisruptionBudget": _of_budget,
            "HorizontalPodAutoscaler": _of_scaler, "ScaledObject": _of_scaler,
            "NetworkPolicy": _of_policy, "PodMonitor": _of_monitor("podMetricsEndpoints"),
            "ServiceMonitor": _of_monitor("endpoints"), "PrometheusRule": _of_rule}
