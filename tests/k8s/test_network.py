"""Who can talk to whom: exactly those who need to."""

import pytest

from manifests import network
from manifests.world import NAMESPACE

# What must be seen by nobody outside of the namespace but Prometheus.
INTERNAL = {8001: "Kong's Admin API", 8100: "Kong's status", 9180: "quotad's admin API",
            9145: "nginx's metrics", 9121: "Redis' metrics", 6379: "Redis", 26379: "Sentinel",
            5432: "PostgreSQL"}


def test_every_arrow_that_is_needed_is_there_and_no_other(world):
    found = list(network.complaints(world))
    assert not found, "\n".join(found)


def test_needs_are_found_at_all(worlds):
    """An empty list would make the test above hold for nothing."""
    needs = network.needed(worlds["overlays/production"])
    assert {("client", "kong", 8000), ("client", "kong", 8443), ("kong", "api", 8080),
            ("kong", "api-v2", 8080), ("kong", "quota-redis", 6379), ("kong", "quota-redis", 26379),
            ("quota-redis", "quota-redis", 6379), ("kong", "kong-postgres", 5432),
            ("kong-migrations", "kong-postgres", 5432), ("kong-config", "kong-postgres", 5432),
            ("Prometheus", "kong", 9180), ("Prometheus", "kong", 8100),
            ("Prometheus", "quota-redis", 9121), ("kong", "DNS", 53),
            ("kong", "DNS", "53/UDP")} <= needs
    assert ("nginx-gateway", "api-v2", 8080) in network.needed(worlds["nginx-monitored"])
    assert ("Prometheus", "nginx-gateway", 9145) in network.needed(worlds["nginx-monitored"])


def test_no_internal_port_is_shown_to_the_outside_or_open_to_strangers(world):
    shown = {port for _, port in network.exposed(world)}
    assert shown and not shown & set(INTERNAL)
    for pod in network.ends(world):
        for port in set(pod.ports.values()) & set(INTERNAL):
            for source in (network.CLIENT, network.STRANGER, network.NEIGHBOUR):
                assert not network.allowed(world, source, pod, port), (source, pod, INTERNAL[port])


def test_only_kongs_own_jobs_and_nobody_else_reach_its_admin_api(world):
    for pod in network.ends(world):
        if 8001 in pod.ports.values():
            everybody = network.ends(world) + network.OUTSIDE + network.backends(world)
            assert not [one for one in everybody if network.allowed(world, one, pod, 8001)]


def test_every_policy_that_lets_out_has_one_that_lets_in(world):
    names = {one["metadata"]["name"] for one in world.of_kind("NetworkPolicy")}
    outside = {"pods-to-dns"}
    assert "default-deny" in names
    for name in names - {"default-deny"} - outside:
        source, target = (name.split("-to-") if "-to-" in name else reversed(name.split("-from-")))
        other = f"{target}-from-{source}" if "-to-" in name else f"{source}-to-{target}"
        assert other in names or source in ("clients", "prometheus"), f"{name} without {other}"


@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_everything_else_is_forbidden_in_both_directions(world, direction):
    policies = [one for one in world.of_kind("NetworkPolicy")
                if one["metadata"]["name"] == "default-deny"]
    assert policies[0]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies[0]["metadata"]["namespace"] == NAMESPACE
    blind = world.copy()
    for policy in blind.objects:
        if policy["kind"] == "NetworkPolicy" and policy["metadata"]["name"] == "default-deny":
            policy["spec"]["policyTypes"].remove(direction)
    assert list(network.complaints(blind)), "the model does not care for default-deny"
