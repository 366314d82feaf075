"""Whether names, selectors, ports, keys and paths agree across files.

`complaints(world)` says what does not. test_agreement.py shows that it stays silent about what is
here, and that it notices each single thing that is deleted or renamed."""

import re

from manifests import known
from manifests.world import matches

MONITORS = {"PodMonitor", "ServiceMonitor"}
# A path in a setting or a command.
PATH = re.compile(r"(/[\w.-]+(?:/[\w.-]+)+)")


def complaints(world):
    found = []
    for check in CHECKS:
        found += check(world)
    return found


def _duplicates(world):
    seen = set()
    for one in world.objects:
        key = (one["kind"], one["metadata"]["name"])
        if key in seen:
            yield f"{key} is there twice"
        seen.add(key)


def _namespaces(world):
    names = {one["metadata"]["name"] for one in world.of_kind("Namespace")}
    for one in world.objects:
        where = one["metadata"].get("namespace")
        if where is not None and where not in names:
            yield f"{one['kind']} {one['metadata']['name']}: there is no namespace {where}"


def _accounts(world):
    accounts = {one["metadata"]["name"] for one in world.of_kind("ServiceAccount")}
    used = {pod.spec.get("serviceAccountName") for pod in world.pods()}
    for pod in world.pods():
        if pod.spec.get("serviceAccountName") not in accounts:
            yield f"{pod}: there is no account {pod.spec.get('serviceAccountName')}"
    yield from (f"nobody uses the account {name}" for name in accounts - used)


def _selectors(world):
    for pod in world.pods():
        selector = pod.owner["spec"].get("selector")
        if pod.kind != "Job" and not matches(selector, pod.labels):
            yield f"{pod} does not select its own pods"
        names = {"app.kubernetes.io/name", "app.kubernetes.io/component",
                 "app.kubernetes.io/part-of"}
        if not names <= set(pod.labels):
            yield f"{pod}: its pods lack one of the labels {sorted(names)}"
        terms = [term["labelSelector"]
                 for term in pod.spec.get("topologySpreadConstraints", [])]
        affinity = pod.spec.get("affinity", {}).get("podAntiAffinity", {})
        for kind, terms_of_kind in affinity.items():
            for term in terms_of_kind:
                term = term if kind.startswith("required") else term["podAffinityTerm"]
                terms.append(term["labelSelector"])
        if not all(matches(selector, pod.labels) for selector in terms):
            yield f"{pod} keeps away from others than its own pods"
    for budget in world.of_kind("PodDisruptionBudget"):
        if not any(matches(budget["spec"]["selector"], pod.labels) for pod in world.pods()):
            yield f"PodDisruptionBudget {budget['metadata']['name']} protects nobody"


def _names(world):
    """A workload is called like its pods, and what belongs to it is called like it."""
    for pod in world.pods():
        if pod.labels.get("app.kubernetes.io/name") != pod.name:
            yield f"{pod}: its pods are called {pod.labels.get('app.kubernetes.io/name')}"
    for one in world.of_kind("PodDisruptionBudget"):
        names = {pod.name for pod in world.pods() if matches(one["spec"]["selector"], pod.labels)}
        if names != {one["metadata"]["name"]}:
            yield f"PodDisruptionBudget {one['metadata']['name']} is for {names}"
    for one in world.of_kind("HorizontalPodAutoscaler") + world.of_kind("ScaledObject"):
        if one["metadata"]["name"] != one["spec"]["scaleTargetRef"]["name"]:
            yield f"{one['kind']} {one['metadata']['name']} is for another"


def _variables(world):
    """What scripts read without having a default for it."""
    for pod in world.pods():
        for container in pod.spec["containers"]:
            scripts = [text for key, text in known.texts(pod, container, world).items()
                       if key.endswith(".sh")]
            names = {entry["name"] for entry in container.get("env", [])}
            wanted = set(re.findall(r"\$\{?(QUOTA_REDIS_\w+)(?![\w:])", "\n".join(scripts)))
            if any("/etc/quota-redis/" in text for text in _commands(container)):
                yield from (f"{pod}: {container['name']} lacks {name}"
                            for name in sorted(wanted - names))


def _scaling(world):
    for scaler in world.of_kind("HorizontalPodAutoscaler") + world.of_kind("ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        pod = world.pod(target["name"])
        name = f"{scaler['kind']} {scaler['metadata']['name']}"
        if pod is None or pod.kind != target["kind"]:
            yield f"{name}: there is no {target['kind']} {target['name']}"
            continue
        for metric in scaler["spec"].get("metrics", []):
            if pod.container(metric["containerResource"]["container"]) is None:
                yield f"{name}: {pod} has no such container"
        for trigger in scaler["spec"].get("triggers", []):
            container = trigger["metadata"].get("containerName")
            if container is not None and pod.container(container) is None:
                yield f"{name}: {pod} has no container {container}"


def _default_container(world):
    for pod in world.pods():
        annotations = pod.owner["spec"]["template"]["metadata"].get("annotations", {})
        name = annotations.get("kubectl.kubernetes.io/default-container")
        if name is not None and pod.container(name) is None:
            yield f"{pod} has no container {name}"


def _source_of(volume):
    """(kind, name, optional, keys that are taken) of a volume made of an object."""
    for kind, field, name in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
        source = volume.get(field)
        if source is not None:
            return kind, source.get(name), source.get("optional", False)
    return None


def keys_of(world, kind, name):
    """Which keys an object has, also one that is made elsewhere; None if there is none."""
    one = world.get(kind, name)
    if one is not None:
        return set(one.get("data", {})) | set(one.get("stringData", {}))
    return known.SECRETS.get(name) if kind == "Secret" else None


def _volumes(world):
    claims = {one["metadata"]["name"] for one in world.of_kind("PersistentVolumeClaim")}
    used_claims = set()
    for pod in world.pods():
        volumes = pod.volumes()
        mounted = {mount["name"] for container in pod.containers()
                   for mount in container.get("volumeMounts", [])}
        for name in sorted(mounted - set(volumes)):
            yield f"{pod} mounts {name}, which is no volume of it"
        for name in sorted(set(volumes) - mounted):
            yield f"{pod}: nobody mounts the volume {name}"
        for volume in volumes.values():
            source = _source_of(volume)
            if source is not None and keys_of(world, *source[:2]) is None:
                yield f"{pod}: volume {volume['name']}: there is no {source[0]} {source[1]}"
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            used_claims.add(claim)
            if claim is not None and claim not in claims:
                yield f"{pod}: there is no claim {claim}"
    yield from (f"nobody uses the claim {name}" for name in claims - used_claims)


def _references_in_env(world):
    for pod in world.pods():
        for container in pod.containers():
            for entry in container.get("env", []):
                reference = entry.get("valueFrom", {}).get("secretKeyRef")
                if reference is not None:
                    keys = keys_of(world, "Secret", reference["name"])
                    if keys is None or reference["key"] not in keys:
                        yield (f"{pod}: {entry['name']}: there is no key {reference['key']} in a "
                               f"Secret {reference['name']}")


def _unused(world):
    """ConfigMaps and Secrets that nobody mounts."""
    used = set()
    for pod in world.pods():
        used |= {_source_of(volume)[:2] for volume in pod.volumes().values() if _source_of(volume)}
    for kind in ("ConfigMap", "Secret"):
        for one in world.of_kind(kind):
            labels = one["metadata"].get("labels", {})
            if (kind, one["metadata"]["name"]) not in used and "grafana_dashboard" not in labels:
                # Without a database kong-config is mounted, with one the Job mounts it.
                yield f"nobody uses the {kind} {one['metadata']['name']}"


def _commands(container):
    """All texts by which a container is told something."""
    yield from (entry.get("value") or "" for entry in container.get("env", []))
    yield from container.get("command", []) + container.get("args", [])
    probes = [container.get(name) for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    hooks = [container.get("lifecycle", {}).get("preStop")]
    for action in probes + hooks:
        yield from (action or {}).get("exec", {}).get("command", [])


def _inner_paths(pod, container, world):
    """Paths in the files that a container mounts: of nginx's, Kong's and the policy's."""
    for key, text in known.texts(pod, container, world).items():
        if key.endswith(".conf") or key == "policy.yaml":
            code = re.sub(r"#.*", "", text)
            yield from PATH.findall(re.sub(r"https?://\S+", "", code))


def _paths(world):
    """A path below a mounted ConfigMap or Secret must be one of its keys, and one below /etc/quota,
    /etc/kong/… or another place that only mounts make must be mounted at all."""
    for pod in world.pods():
        volumes = pod.volumes()
        for container in pod.containers():
            mounts = {mount["mountPath"]: volumes.get(mount["name"], {})
                      for mount in container.get("volumeMounts", [])}
            said = [path for text in _commands(container) for path in PATH.findall(text)]
            for path in said + list(_inner_paths(pod, container, world)):
                yield from (f"{pod}: {container['name']}: {why}"
                            for why in _path(path, mounts, world))


ONLY_MOUNTED = ("/etc/quota/", "/etc/quota-redis/", "/etc/kong/", "/etc/kong-postgres/", "/run/quota/",
                "/etc/nginx/gateway/", "/etc/nginx/tls/", "/etc/demo-api/", "/var/lib/quotad/")


def _path(path, mounts, world):
    place = max((place for place in mounts if (path + "/").startswith(place + "/")), key=len,
                default=None)
    if place is None:
        if path.startswith(ONLY_MOUNTED):
            yield f"{path} is on no volume"
        return
    source = _source_of(mounts[place])
    if source is None or path == place:
        return
    keys = keys_of(world, *source[:2])
    if keys is not None and path[len(place) + 1:] not in keys:
        yield f"{path} is no key of {source[0]} {source[1]}"


def _unread(world):
    """What is mounted is read by somebody who knows the place."""
    for pod in world.pods():
        volumes = pod.volumes()
        for container in pod.containers():
            said = "\n".join(_commands(container)) + "\n".join(
                _inner_paths(pod, container, world))
            for mount in container.get("volumeMounts", []):
                if _source_of(volumes.get(mount["name"], {})) and mount["mountPath"] not in said:
                    yield f"{pod}: {container['name']} does not read {mount['mountPath']}"


def _promised(world):
    """What nobody here refers to, but documents and people do."""
    for pod in world.pods():
        yield from (f"{pod}: the Service {name} is gone"
                    for name in known.SERVICES_OF.get(pod.name, []) if not world.get("Service", name))
        if pod.kind == "StatefulSet" and not pod.owner["spec"].get("volumeClaimTemplates"):
            yield f"{pod} forgets everything"
    names = {pod.name for pod in world.pods()}
    if not names & {"kong", "nginx-gateway"}:
        yield "there is no gateway"
    if "QUOTAD_STORE" in str(world.gateways() and world.gateways()[0].spec) and not (
            "quota-redis" in names or "local:" in str(world.gateways()[0].spec)):
        yield "there is no Redis"


def _includes(world):
    """Files of one ConfigMap that name each other: `include x;` of nginx, "$here/x" of scripts.
    None may be missing, and none may be there for nothing."""
    for config in world.of_kind("ConfigMap"):
        data = config.get("data", {})
        name = config["metadata"]["name"]
        if not any(key.endswith((".conf", ".sh")) for key in data):
            continue
        wanted = set()
        for key, text in data.items():
            code = re.sub(r"^\s*#.*", "", text, flags=re.MULTILINE)
            wanted |= set(re.findall(r"^\s*include\s+([\w.-]+);", code, re.MULTILINE))
            wanted |= set(re.findall(r"\"\$here/([\w.-]+)\"", code))
        yield from (f"ConfigMap {name} has no {key}" for key in sorted(wanted - set(data)))
        outside = {path.rsplit("/", 1)[1] for pod in world.pods() for container in pod.containers()
                   for text in _commands(container) for path in PATH.findall(text)}
        yield from (f"ConfigMap {name}: nobody reads {key}"
                    for key in sorted(set(data) - wanted - outside))


def _ports(world):
    """What is declared is what the programs are told to listen on."""
    for pod in world.pods():
        numbers = [port["containerPort"] for container in pod.containers()
                   for port in container.get("ports", [])]
        if len(set(numbers)) != len(numbers):
            yield f"{pod}: two containers share a port"
        for container in pod.long_running():
            declared = {port["containerPort"] for port in container.get("ports", [])}
            opened = known.listening(pod, container, world)
            if opened is not None and opened != declared:
                yield (f"{pod}: {container['name']} listens on {sorted(opened)} and declares "
                       f"{sorted(declared)}")
            names = {port.get("name") for port in container.get("ports", [])}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                port = container.get(kind, {}).get("httpGet", {}).get("port")
                if port is not None and port not in names:
                    yield f"{pod}: {kind} of {container['name']} asks port {port}"


def resolved(service, pod):
    """Port of a Service -> port of the pod; None where the pod has no such port."""
    ports = pod.ports()
    return {port["port"]: ports.get(port.get("targetPort", port["port"]))
            for port in service["spec"]["ports"]}


def _services(world):
    scraped = set()
    for monitor in world.of_kind("ServiceMonitor"):
        for service in world.of_kind("Service"):
            names = {port["name"] for port in service["spec"]["ports"]}
            wanted = {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]}
            if names & wanted and matches(monitor["spec"]["selector"],
                                          service["metadata"].get("labels", {})):
                scraped.add(service["metadata"]["name"])
    for service in world.of_kind("Service"):
        name = service["metadata"]["name"]
        pods = world.selected(service["spec"].get("selector"))
        if not pods:
            yield f"Service {name} selects no pods"
        for pod in pods:
            ports = resolved(service, pod)
            yield from (f"Service {name}: {pod} has no port for {port}"
                        for port, target in ports.items() if target is None)
            promised = known.SERVICES.get(name)
            if promised and (service["spec"].get("type", "ClusterIP"), ports) != promised:
                yield f"Service {name} is not what it is promised to be: {promised}"
        if name not in known.SERVICES and name not in scraped | {"kong-status"}:
            yield f"nobody knows the Service {name}"
    names = {one["metadata"]["name"] for one in world.of_kind("Service")}
    for pod in world.pods():
        wanted = pod.owner["spec"].get("serviceName")
        if wanted is not None and wanted not in names:
            yield f"{pod}: there is no Service {wanted}"


def _hosts(world):
    """Names of hosts in settings: Services here, nodes of a StatefulSet here, or the user's API."""
    services = {one["metadata"]["name"] for one in world.of_kind("Service")}
    for pod in world.pods():
        for container in pod.containers():
            env = {entry["name"]: entry.get("value") or "" for entry in container.get("env", [])}
            host = env.get("KONG_PG_HOST")
            if host is not None and host not in services:
                yield f"{pod}: there is no Service {host}"
            text = env.get("QUOTAD_STORE", "") + env.get("QUOTA_REDIS_HOSTS", "")
            for node, service in re.findall(r"([\w-]+)\.([\w-]+)", text.replace("local://", "")):
                owner = world.get("StatefulSet", node.rsplit("-", 1)[0])
                if "local:" in text:
                    continue
                if owner is None or owner["spec"]["serviceName"] != service or service not in services:
                    yield f"{pod}: nobody is called {node}.{service}"
                elif int(node.rsplit("-", 1)[1]) >= owner["spec"]["replicas"]:
                    yield f"{pod}: {node} is one too many"


def _monitors(world):
    """Each endpoint is somebody's port."""
    for monitor in world.of_kind("PodMonitor"):
        pods = [pod for pod in world.pods() if matches(monitor["spec"]["selector"], pod.labels)]
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            if not any(endpoint["port"] in pod.ports() for pod in pods):
                yield f"PodMonitor: no pod has the port {endpoint['port']}"
    for monitor in world.of_kind("ServiceMonitor"):
        services = [one for one in world.of_kind("Service")
                    if matches(monitor["spec"]["selector"], one["metadata"].get("labels", {}))]
        for endpoint in monitor["spec"]["endpoints"]:
            if not any(port["name"] == endpoint["port"] for one in services
                       for port in one["spec"]["ports"]):
                yield f"{monitor['metadata']['name']}: no Service has the port {endpoint['port']}"
    for one in world.objects:
        if one["kind"] in MONITORS | {"PrometheusRule"} and not world.of_kind("PrometheusRule"):
            yield "there are monitors, and no alerts"


CHECKS = [_duplicates, _namespaces, _accounts, _selectors, _names, _variables, _scaling,
          _default_container, _volumes, _references_in_env, _unused, _paths, _unread, _promised,
          _includes, _ports, _services, _hosts, _monitors]
