"""A small model of NetworkPolicies: who can open a connection to whom, and who needs to.

An end is a pod of the manifests, or somebody outside of them. Needs are not written down here:
they follow from settings (which database, which Redis, which backends), from Services that are
open to the world, and from monitors."""

import ipaddress
import re

import yaml

from manifests import agreement
from manifests.world import NAMESPACE, matches


class End:
    """One end of a connection."""

    def __init__(self, name, labels, ports, namespace=NAMESPACE, address=None):
        self.name = name
        self.labels = labels
        self.ports = ports  # name -> number
        self.namespace = namespace  # None: not in the cluster
        self.address = address

    def __repr__(self):
        return self.name


PROMETHEUS = End("Prometheus", {"app.kubernetes.io/name": "prometheus"}, {}, "monitoring")
DNS = End("DNS", {"k8s-app": "kube-dns"}, {"dns": 53}, "kube-system")
CLIENT = End("client", {}, {}, None, "203.0.113.7")
NEIGHBOUR = End("another pod of the namespace", {"app.kubernetes.io/name": "neighbour"}, {"any": 80})
# With a label that counts in this namespace and must not count in another.
STRANGER = End("a pod of another namespace", {"app.kubernetes.io/name": "kong",
                                              "app.kubernetes.io/component": "gateway"},
               {"any": 80}, "default")
OUTSIDE = [PROMETHEUS, DNS, CLIENT, NEIGHBOUR, STRANGER]


def backends(world):
    """The API where it is the user's."""
    return [End(name, {"app.kubernetes.io/name": name}, {"http": 8080})
            for name in ("api", "api-v2") if world.pod(name) is None]


def ends(world):
    return [End(pod.name, pod.labels, pod.ports()) for pod in world.pods()]


def _peer(peer, end, namespace):
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        if end.address is None:
            return False
        address = ipaddress.ip_address(end.address)
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(one) for one in block.get("except", []))
    if end.namespace is None:
        return False
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace}):
            return False
    elif end.namespace != namespace:
        return False
    return matches(peer.get("podSelector", {}), end.labels)


def _port(entry, end, number, protocol):
    if entry.get("protocol", "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if isinstance(wanted, str):
        wanted = end.ports.get(wanted)
        return wanted == number
    return wanted is None or wanted <= number <= entry.get("endPort", wanted)


def _rule(rule, side, other, target, number, protocol, namespace):
    peers = rule.get(side)
    if peers is not None and not any(_peer(peer, other, namespace) for peer in peers):
        return False
    ports = rule.get("ports")
    return ports is None or any(_port(entry, target, number, protocol) for entry in ports)


def _side_allows(policies, direction, end, other, target, number, protocol):
    """One end's word. Without a policy for it, everything is allowed; outside there is none."""
    if end.namespace != NAMESPACE:
        return True
    field, side = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    mine = [policy["spec"] for policy in policies
            if direction in policy["spec"]["policyTypes"]
            and matches(policy["spec"]["podSelector"], end.labels)]
    return not mine or any(_rule(rule, side, other, target, number, protocol, NAMESPACE)
                           for spec in mine for rule in spec.get(field, []))


def allowed(world, source, target, number, protocol="TCP"):
    policies = world.of_kind("NetworkPolicy")
    return (_side_allows(policies, "Egress", source, target, target, number, protocol)
            and _side_allows(policies, "Ingress", target, source, target, number, protocol))


def exposed(world):
    """(pod, port) of everything that a Service, a port of the host or the host's network shows to
    whoever is outside the cluster."""
    found = set()
    for service in world.of_kind("Service"):
        spec = service["spec"]
        if spec.get("type", "ClusterIP") in ("LoadBalancer", "NodePort") or spec.get("externalIPs"):
            for pod in world.selected(spec.get("selector")):
                found |= {(pod.name, port) for port in agreement.resolved(service, pod).values()}
    for pod in world.pods():
        for container in pod.containers():
            for port in container.get("ports", []):
                if "hostPort" in port or pod.spec.get("hostNetwork"):
                    found.add((pod.name, port["containerPort"]))
    return found


# -- What is needed

def _behind(world, service_name, port):
    """(pod name, port) of a Service; of the user's API where there is no such Service here."""
    service = world.get("Service", service_name)
    if service is None:
        return {(service_name, 8080)} if service_name in ("api", "api-v2") else set()
    return {(pod.name, agreement.resolved(service, pod).get(port))
            for pod in world.selected(service["spec"]["selector"])}


def _backends_of_kong(world):
    config = world.get("ConfigMap", "kong-config")
    if config is None:
        return set()
    kong = yaml.safe_load(config["data"].get("kong.yaml", "")) or {}
    return {tuple(target["target"].split(":")) for upstream in kong.get("upstreams", [])
            for target in upstream["targets"]}


def _backends_of_nginx(world):
    config = world.starting_with("ConfigMap", "nginx-gateway")
    text = config["data"].get("backends.conf", "") if config else ""
    return set(re.findall(r"^\s*server ([\w-]+):(\d+)", text, re.MULTILINE))


def _needs_of(pod, world):
    """(target, port) of a pod's own connections."""
    found = set()
    for container in pod.containers():
        env = {entry["name"]: entry.get("value") or "" for entry in container.get("env", [])}
        image = container["image"].rsplit(":", 1)[0]
        if env.get("KONG_DATABASE") == "postgres":
            found |= _behind(world, env.get("KONG_PG_HOST"), 5432)
        for _, service, port in re.findall(r"([\w-]+)\.([\w-]+):(\d+)", env.get("QUOTAD_STORE", "")):
            found |= _behind(world, service, int(port)) | _behind(world, service, 6379)
        if "QUOTA_REDIS_HOSTS" in env:
            found |= _behind(world, "quota-redis", 6379) | _behind(world, "quota-redis", 26379)
        backends_here = set()
        if in_gateway(pod) and image == "quotagate/kong":
            backends_here = _backends_of_kong(world)
        elif in_gateway(pod) and image == "quotagate/nginx":
            backends_here = _backends_of_nginx(world)
        for service, port in backends_here:
            found |= _behind(world, service, int(port))
    return found


def in_gateway(pod):
    return pod.labels.get("app.kubernetes.io/component") == "gateway"


def needed(world):
    """(source, target, port) by name, all that must be possible. A port is a number, for TCP, or
    like "53/UDP"."""
    found = set()
    for pod in world.pods():
        needs = _needs_of(pod, world)
        found |= {(pod.name, *need) for need in needs}
        if needs:
            found |= {(pod.name, DNS.name, 53), (pod.name, DNS.name, "53/UDP")}
    found |= {(CLIENT.name, *one) for one in exposed(world)}
    for monitor in world.of_kind("PodMonitor"):
        for pod in world.pods():
            if matches(monitor["spec"]["selector"], pod.labels):
                found |= {(PROMETHEUS.name, pod.name, pod.ports()[endpoint["port"]])
                          for endpoint in monitor["spec"]["podMetricsEndpoints"]
                          if endpoint["port"] in pod.ports()}
    for monitor in world.of_kind("ServiceMonitor"):
        for service in world.of_kind("Service"):
            if matches(monitor["spec"]["selector"], service["metadata"].get("labels", {})):
                for port in service["spec"]["ports"]:
                    if port["name"] in {one["port"] for one in monitor["spec"]["endpoints"]}:
                        found |= {(PROMETHEUS.name, *one)
                                  for one in _behind(world, service["metadata"]["name"], port["port"])}
    return found


def possible(world):
    """(source, target, port) by name, all that can be done, over every port that anybody opens, and
    one that stands for all others."""
    here = ends(world)
    everybody = here + backends(world) + OUTSIDE
    found = set()
    for source in everybody:
        for target in everybody:
            if NAMESPACE not in (source.namespace, target.namespace):
                continue
            for number in set(target.ports.values()) | {1}:
                for protocol in ("TCP", "UDP"):
                    if allowed(world, source, target, number, protocol):
                        found.add((source.name, target.name, _written(number, protocol)))
    return found


def public(world):
    """Needs of clients hold for everybody: they may come from anywhere, also from inside."""
    return {(source.name, target, port) for source in OUTSIDE + ends(world) + backends(world)
            for client, target, port in needed(world)
            if client == CLIENT.name and leaves(world, source, target, port)}


def leaves(world, source, target, port):
    """Whether the source's own policies let it out to there."""
    end = next(one for one in ends(world) if one.name == target)
    return _side_allows(world.of_kind("NetworkPolicy"), "Egress", source, end, end, port, "TCP")


def complaints(world):
    """Needed and not possible, possible and not needed."""
    needs = needed(world)
    can = possible(world)
    yield from (f"no arrow from {source} to {target}:{port}"
                for source, target, port in sorted(needs - can, key=str))
    yield from (f"nobody needs the arrow from {source} to {target}:{port}"
                for source, target, port in sorted(can - needs - public(world), key=str))
    yield from unused_entries(world)
    yield from loose_rules(world)


def unused_entries(world):
    """Each entry of each rule lets something through that is needed: of a port, of a peer."""
    needs = needed(world) | public(world)
    by_name = {end.name: end for end in ends(world) + backends(world) + OUTSIDE}
    for policy in world.of_kind("NetworkPolicy"):
        spec = policy["spec"]
        for field, side in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(field, []):
                for part in ("ports", side):
                    for entry in rule.get(part, []):
                        narrow = dict(rule, **{part: [entry]})
                        if not _is_used(spec, field, side, narrow, needs, by_name):
                            yield f"NetworkPolicy {policy['metadata']['name']}: {part} {entry} is unused"


def _is_used(spec, field, side, rule, needs, by_name):
    for source, target, port in needs:
        source, target = by_name[source], by_name[target]
        mine, other = (target, source) if field == "ingress" else (source, target)
        if mine.namespace == NAMESPACE and matches(spec["podSelector"], mine.labels) and _rule(
                rule, side, other, target, *_read(port), NAMESPACE):
            return True
    return False


def _written(number, protocol):
    return number if protocol == "TCP" else f"{number}/{protocol}"


def _read(port):
    return (port, "TCP") if isinstance(port, int) else (int(port.split("/")[0]), port.split("/")[1])


def loose_rules(world):
    """Each policy by itself lets through what is needed and no more: it does not count on the
    policy at the other end."""
    wanted = needed(world) | public(world)
    everybody = ends(world) + backends(world) + OUTSIDE
    for policy in world.of_kind("NetworkPolicy"):
        spec = policy["spec"]
        for field, side in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(field, []):
                for source, target, port in _through(spec, field, side, rule, everybody):
                    if (source, target, port) not in wanted and not (
                            side == "from" and (CLIENT.name, target, port) in wanted):
                        yield (f"NetworkPolicy {policy['metadata']['name']} would let {source} reach "
                               f"{target}:{port}")


def _through(spec, field, side, rule, everybody):
    ports_of_all = {port for end in everybody for port in end.ports.values()} | {1}
    for mine in everybody:
        if mine.namespace != NAMESPACE or not matches(spec["podSelector"], mine.labels):
            continue
        for other in everybody:
            source, target = (other, mine) if field == "ingress" else (mine, other)
            # Who is outside may listen on anything.
            numbers = ports_of_all if target in OUTSIDE else set(target.ports.values()) | {1}
            for number in numbers:
                for protocol in ("TCP", "UDP"):
                    if _rule(rule, side, other, target, number, protocol, NAMESPACE):
                        yield source.name, target.name, _written(number, protocol)
