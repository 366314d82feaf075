"""What lies outside of the manifests: the names that documents and scripts promise, Secrets that
are made elsewhere, and what programs are known to listen on."""

import re

import yaml

from manifests import render

# Secrets that the user or scripts/deploy.sh makes.
SECRETS = {one["metadata"]["name"]: set(one["stringData"]) for one in yaml.safe_load_all(
    (render.K8S / "api-gateway" / "secrets.example.yaml").read_text())}
# Told about in nginx-gateway/kustomization.yaml.
SECRETS |= {"nginx-gateway-tls": {"tls.crt", "tls.key"}, "quota-jwt": {"jwt.key"}}

# Services that others were promised: name -> type, ports.
SERVICES = {
    "kong-proxy": ("LoadBalancer", {80: 8000, 443: 8443}),
    "kong-admin": ("ClusterIP", {8001: 8001}),
    "nginx-gateway": ("LoadBalancer", {80: 8080, 443: 8443}),
    "kong-postgres": ("ClusterIP", {5432: 5432}),
    "quota-redis": ("ClusterIP", {6379: 6379, 26379: 26379}),
    "api": ("ClusterIP", {80: 8080}),
    "api-v2": ("ClusterIP", {80: 8080}),
}

# Which pods have which Services in front of them.
SERVICES_OF = {
    "kong": ["kong-proxy", "kong-admin", "kong-status"],
    "nginx-gateway": ["nginx-gateway"],
    "kong-postgres": ["kong-postgres"],
    "quota-redis": ["quota-redis"],
    "api": ["api"],
    "api-v2": ["api-v2"],
}

# Images whose ports are said by no setting here.
PORTS_OF_IMAGES = {"postgres": {5432}, "oliver006/redis_exporter": {9121}}


def _kong(env):
    text = " ".join(env.get(f"KONG_{name}_LISTEN") or "" for name in ("PROXY", "ADMIN", "STATUS"))
    return set(map(int, re.findall(r":(\d+)", text)))


def listening(pod, container, world):
    """The ports that this container opens, by its own configuration; None if nobody knows."""
    image = container["image"].rsplit(":", 1)[0]
    env = {entry["name"]: entry.get("value") for entry in container.get("env", [])}
    if image in PORTS_OF_IMAGES:
        return PORTS_OF_IMAGES[image]
    if image == "quotagate/kong":
        return _kong(env) if container in pod.long_running() and pod.kind != "Job" else set()
    if image == "quotagate/quotad":
        return {int(env.get("QUOTAD_ADMIN_LISTEN", ":0").rsplit(":", 1)[1])}
    if image == "quotagate/nginx":
        text = texts(pod, container, world).get("nginx.conf", "")
        return set(map(int, re.findall(r"^\s*listen (\d+)", text, re.MULTILINE)))
    if image == "redis":
        start = re.search(r"start-(\w+)\.sh", container["command"][0])
        text = texts(pod, container, world).get(f"{start[1]}.conf", "") if start else ""
        return set(map(int, re.findall(r"^port (\d+)", text, re.MULTILINE)))
    return None


def texts(pod, container, world):
    """Key -> text of all ConfigMaps that the container mounts."""
    found = {}
    volumes = pod.volumes()
    for mount in container.get("volumeMounts", []):
        source = volumes.get(mount["name"], {}).get("configMap")
        config = source and world.get("ConfigMap", source["name"])
        if config:
            found |= config.get("data", {})
    return found
