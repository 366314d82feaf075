"""What Kong is told fits together, and holds what was asked for."""

import re

import pytest
import yaml

from manifests import kong as rules
from manifests import known, render

WITH_KONG = ["api-gateway", "api-gateway-dbless", "overlays/production"]
EXAMPLE = next(one for one in yaml.safe_load_all(
    (render.K8S / "api-gateway" / "secrets.example.yaml").read_text())
    if one["metadata"]["name"] == "kong-consumers")["stringData"]["consumers.yaml"]


@pytest.fixture(name="text")
def fixture_text(worlds):
    return worlds["api-gateway"].get("ConfigMap", "kong-config")["data"]["kong.yaml"]


@pytest.fixture(name="kong")
def fixture_kong(text):
    return yaml.safe_load(text)


def test_kongs_configuration_fits_together(world):
    assert not list(rules.complaints(world))


def test_the_routes_lead_to_the_api_through_checked_targets(kong):
    routes = {path: service for service in kong["services"] for route in service["routes"]
              for path in route["paths"]}
    assert set(routes) == {"/identify", "/compare", "/batch", "/health"}
    assert {service["host"] for service in routes.values()} == {"api.upstream"}
    checks = kong["upstreams"][0]["healthchecks"]
    assert checks["active"]["healthy"]["interval"] > 0
    assert checks["active"]["unhealthy"]["interval"] > 0
    assert checks["passive"]["unhealthy"]["tcp_failures"] > 0
    assert {one["target"]: one["weight"] for one in kong["upstreams"][0]["targets"]} == {
        "api:80": 100, "api-v2:80": 0}


def test_everything_but_health_is_authenticated_and_given_a_tier(kong):
    for service in kong["services"]:
        names = {plugin["name"] for plugin in service.get("plugins", [])}
        if service["name"] == "health":
            assert not names
        else:
            assert names == {"key-auth", "jwt", "acl", "request-transformer"}
    assert {plugin["name"] for plugin in kong["plugins"]} == {"cors", "prometheus"}
    prometheus = next(one for one in kong["plugins"] if one["name"] == "prometheus")["config"]
    assert all(prometheus[name] for name in ("status_code_metrics", "latency_metrics",
                                             "upstream_health_metrics"))


def test_the_tier_goes_by_the_header_that_the_module_is_told_of(kong, worlds):
    transformer = next(one for one in rules.plugins(kong) if one["name"] == "request-transformer")
    added = [one.split(":", 1)[0] for one in transformer["config"]["add"]["headers"]]
    assert added == ["X-Quota-Tier"]
    config = worlds["api-gateway"].starting_with("ConfigMap", "kong-quota")["data"]
    names = set(re.findall(r"\$http_(\w+)", config["quota-http.conf"]))
    assert {"x_quota_tier", "x_consumer_username", "x_anonymous_consumer"} <= names
    # What clients send under these names is taken off.
    for name in names:
        assert name.replace("_", "-") in config["quota.conf"]
    policy = yaml.safe_load(worlds["api-gateway"].get("ConfigMap", "quota-policy")[
        "data"]["policy.yaml"])
    assert policy["identity"]["trust"] == ["consumer", "tier"]


@pytest.mark.parametrize("consumers", [
    EXAMPLE, (render.K8S / "overlays/development/consumers.yaml").read_text()],
    ids=["example", "development"])
def test_consumers_continue_the_configuration(text, consumers, worlds):
    joined = yaml.safe_load(text + consumers)
    assert joined["consumers"][0] == {"username": "anonymous"}
    assert len(joined["consumers"]) > 1
    assert set(joined) == set(yaml.safe_load(text))
    tiers = yaml.safe_load(worlds["api-gateway"].get("ConfigMap", "quota-policy")[
        "data"]["policy.yaml"])["tiers"]
    identifiers = []
    for consumer in joined["consumers"][1:]:
        assert len(consumer["acls"]) == 1 and consumer["acls"][0]["group"] in tiers
        for kind in ("keyauth_credentials", "jwt_secrets"):
            for credential in consumer.get(kind, []):
                # Without one a second import fails.
                identifiers.append(credential["id"])
        assert set(consumer) <= {"username", "custom_id", "acls", "keyauth_credentials",
                                 "jwt_secrets", "tags"}
    assert len(set(identifiers)) == len(identifiers) == len(joined["consumers"]) - 1
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one)
               for one in identifiers)


def test_no_credential_is_in_a_config_map(text):
    for word in ("keyauth_credentials", "jwt_secrets", "secret:", "password"):
        assert word not in text


@pytest.mark.parametrize("name", WITH_KONG)
def test_both_variants_join_configuration_and_consumers_alike(worlds, name):
    commands = [" ".join(container.get("command", [])) for pod in worlds[name].pods()
                for container in pod.containers()]
    joining = [command for command in commands if "/etc/kong/consumers" in command]
    assert len(joining) == 1
    found = re.search(r"find -L (\S+) (\S+) -maxdepth 1 -name '\*\.yaml'", joining[0])
    # In this order, which is that of their names.
    assert list(found.groups()) == sorted(found.groups()) == ["/etc/kong/config",
                                                              "/etc/kong/consumers"]


@pytest.mark.parametrize("name", WITH_KONG)
def test_each_directive_is_given_once(worlds, name):
    """Kong writes one line for each variable, and a variable has one value."""
    entries = [entry["name"] for entry in worlds[name].pod("kong").container("kong")["env"]]
    assert len(set(entries)) == len(entries)
    ports = known.listening(worlds[name].pod("kong"),
                            worlds[name].pod("kong").container("kong"), worlds[name])
    assert ports == {8000, 8443, 8001, 8100}


def test_all_pods_of_kong_are_of_one_image(worlds):
    for name in WITH_KONG:
        images = {container["image"] for pod in worlds[name].pods() for container in pod.containers()
                  if container["image"].startswith("quotagate/kong")}
        # One release exactly, because a module fits one only.
        assert len(images) == 1
        assert re.fullmatch(r"quotagate/kong:3\.9\.\d+-quota0\.1\.0", images.pop())
