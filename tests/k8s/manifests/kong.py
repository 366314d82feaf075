"""What Kong is told: by kong.yaml, and by its variables."""

import yaml

from manifests import known

# The plugins that are used, and which fields they have in Kong 3.9.
PLUGINS = {
    "key-auth": {"key_names", "hide_credentials", "anonymous", "key_in_header", "key_in_query",
                 "key_in_body", "run_on_preflight", "realm"},
    "jwt": {"uri_param_names", "cookie_names", "key_claim_name", "secret_is_base64",
            "claims_to_verify", "anonymous", "run_on_preflight", "maximum_expiration",
            "header_names", "realm"},
    "acl": {"allow", "deny", "hide_groups_header", "include_consumer_groups",
            "always_use_authenticated_groups"},
    "cors": {"origins", "headers", "exposed_headers", "methods", "max_age", "credentials",
             "private_network", "preflight_continue"},
    "request-transformer": {"http_method", "remove", "rename", "replace", "add", "append"},
    "prometheus": {"per_consumer", "status_code_metrics", "ai_metrics", "latency_metrics",
                   "bandwidth_metrics", "upstream_health_metrics"},
}
SERVICE = {"name", "host", "port", "protocol", "path", "connect_timeout", "write_timeout",
           "read_timeout", "retries", "routes", "plugins", "tags"}
ROUTE = {"name", "paths", "methods", "hosts", "headers", "strip_path", "preserve_host", "protocols",
         "plugins", "tags"}
UPSTREAM = {"name", "algorithm", "targets", "healthchecks", "tags"}
HEALTHY = {"interval", "http_statuses", "successes"}
UNHEALTHY = {"interval", "http_statuses", "tcp_failures", "timeouts", "http_failures"}
CHECK = {"type", "timeout", "concurrency", "http_path", "headers", "healthy", "unhealthy"}


def complaints(world):
    if world.pod("kong") is None:
        return
    config = world.get("ConfigMap", "kong-config")
    if config is None or set(config["data"]) != {"kong.yaml"}:
        yield "there is no ConfigMap kong-config with kong.yaml alone"
        return
    kong = yaml.safe_load(config["data"]["kong.yaml"])
    if kong.get("_format_version") != "3.0":
        yield "_format_version is not 3.0"
    yield from _fields(kong)
    yield from _references(kong, world)
    yield from _import(world)


def _fields(kong):
    for service in kong["services"]:
        yield from _unknown(service, SERVICE)
        for route in service["routes"]:
            yield from _unknown(route, ROUTE)
    for upstream in kong["upstreams"]:
        yield from _unknown(upstream, UPSTREAM)
        for name, check in upstream["healthchecks"].items():
            yield from _unknown(check, CHECK)
            yield from _unknown(check.get("healthy", {}), HEALTHY)
            yield from _unknown(check.get("unhealthy", {}), UNHEALTHY)
            if name not in ("active", "passive"):
                yield f"there are no health checks {name}"
    for plugin in plugins(kong):
        if plugin["name"] not in PLUGINS:
            yield f"plugin {plugin['name']}: its fields are not known here"
        else:
            yield from _unknown(plugin.get("config", {}), PLUGINS[plugin["name"]])


def _unknown(fields, allowed):
    yield from (f"{fields.get('name', sorted(fields))} has no field {field}"
                for field in sorted(set(fields) - allowed))


def plugins(kong):
    found = list(kong.get("plugins", []))
    for service in kong["services"]:
        found += service.get("plugins", [])
        for route in service["routes"]:
            found += route.get("plugins", [])
    return found


def _references(kong, world):
    upstreams = {one["name"] for one in kong["upstreams"]}
    consumers = {one["username"] for one in kong["consumers"]}
    for service in kong["services"]:
        if service["host"] not in upstreams:
            yield f"service {service['name']}: there is no upstream {service['host']}"
    for plugin in plugins(kong):
        anonymous = plugin.get("config", {}).get("anonymous")
        if anonymous is not None and anonymous not in consumers:
            yield f"plugin {plugin['name']}: there is no consumer {anonymous}"
    for upstream in kong["upstreams"]:
        for target in upstream["targets"]:
            name, port = target["target"].split(":")
            service = world.get("Service", name)
            # Where the API is the user's: the Services that it was asked for.
            ports = ({one["port"] for one in service["spec"]["ports"]} if service
                     else set(known.SERVICES.get(name, ("", {}))[1]))
            if name not in ("api", "api-v2") or int(port) not in ports:
                yield f"target {target['target']} is no Service"
            if service is None and world.pod(name) is not None:
                yield f"{name} has pods and no Service"


def _import(world):
    """A database gets it from the Job, and no database from a file."""
    kong = world.pod("kong")
    env = kong.env("kong")
    job = world.pod("kong-config")
    if env.get("KONG_DATABASE") == "postgres":
        command = " ".join(job.container("import")["command"]) if job else ""
        if "kong config db_import" not in command:
            yield "nobody imports kong.yaml into the database"
        migrations = world.pod("kong-migrations")
        if migrations is None or "kong migrations bootstrap" not in " ".join(
                migrations.container("migrations")["command"]):
            yield "nobody makes Kong's tables"
    elif env.get("KONG_DATABASE") == "off":
        joined = kong.container("configuration")
        if joined is None or env.get("KONG_DECLARATIVE_CONFIG") not in " ".join(joined["command"]):
            yield "nobody writes the file that Kong reads"
        if job is not None:
            yield "there is nothing to import into"
    else:
        yield "Kong is not told whether there is a database"
    yield from _module(env)


def _module(env):
    wanted = {"KONG_NGINX_MAIN_LOAD_MODULE", "KONG_NGINX_HTTP_QUOTA_PASS", "KONG_NGINX_HTTP_INCLUDE",
              "KONG_NGINX_PROXY_INCLUDE", "KONG_NGINX_STATUS_INCLUDE"}
    yield from (f"Kong lacks {name}" for name in sorted(wanted - set(env)))
    if env.get("KONG_NGINX_HTTP_QUOTA_PASS") != "unix:/run/quota/quota.sock":
        yield "Kong asks elsewhere than quotad listens"
