"""A gateway with the nginx.conf that Kong would make of its environment, and Lua in its place."""

import pathlib

import yaml

from harness import environment
from harness.client import ask, ask_many
from harness.ports import ADDRESS, free_port
from harness.shipped import K8S, ShippedNginx, copy_with, socket_flags

FOLDER = K8S / "api-gateway"
DEPLOYMENT = FOLDER / "kong-deployment.yaml"
# Where the ConfigMap of the .conf files is mounted.
MOUNTED = "/etc/kong/quota/"
SOCKET = "unix:/run/quota/quota.sock"

# What the Deployment has to say for quotas. The image may say the first one.
QUOTA_ENVIRONMENT = {
    "KONG_NGINX_MAIN_LOAD_MODULE":
        "/usr/local/openresty/nginx/modules/ngx_http_quota_module.so",
    "KONG_NGINX_HTTP_QUOTA_PASS": SOCKET,
    "KONG_NGINX_HTTP_INCLUDE": f"{MOUNTED}quota-http.conf",
    "KONG_NGINX_PROXY_INCLUDE": f"{MOUNTED}quota.conf",
    "KONG_NGINX_STATUS_INCLUDE": f"{MOUNTED}quota-status.conf",
}

# Those of Kong's own defaults (kong_defaults.lua of 3.9) that an nginx without Kong knows.
DEFAULTS = {
    "nginx_http_charset": "UTF-8",
    "nginx_http_client_max_body_size": "0",
    "nginx_http_client_body_buffer_size": "8k",
    "nginx_http_keepalive_requests": "10000",
    "nginx_proxy_real_ip_header": "X-Real-IP",
    "nginx_proxy_real_ip_recursive": "off",
}
# Settings of Kong that are another name for a directive.
ALIASES = {"real_ip_header": "nginx_proxy_real_ip_header",
           "real_ip_recursive": "nginx_proxy_real_ip_recursive"}
# Which the tests set themselves, or Debian's nginx does not know.
LEFT_OUT = ("nginx_main_user", "nginx_main_daemon", "nginx_main_worker_processes",
            "nginx_main_worker_rlimit_nofile", "nginx_http_lua_")


def deployed_environment(path=DEPLOYMENT):
    """The variables of the container `kong` of the Deployment `kong`; those that are agreed on
    while there is no such file."""
    if not path.exists():
        return dict(QUOTA_ENVIRONMENT)
    for document in yaml.safe_load_all(path.read_text()):
        if document and (document["kind"], document["metadata"]["name"]) == ("Deployment", "kong"):
            for container in document["spec"]["template"]["spec"]["containers"]:
                if container["name"] == "kong":
                    return {entry["name"]: str(entry["value"]) for entry in container["env"]
                            if "value" in entry}
    raise AssertionError(f"{path} has no container kong in a Deployment kong")


def settings_of(variables):
    """Kong's settings: a variable's name without KONG_, in small letters."""
    settings = dict(DEFAULTS)
    for name, value in variables.items():
        name = name.lower().removeprefix("kong_")
        settings[ALIASES.get(name, name)] = value
    return {name: value for name, value in settings.items() if not name.startswith(LEFT_OUT)}


def directives(settings, namespace):
    """As Kong injects them: one line for each setting nginx_<namespace>_<directive>, sorted."""
    prefix = f"nginx_{namespace}_"
    return "\n".join(f"    {name.removeprefix(prefix)} {value};"
                     for name, value in sorted(settings.items()) if name.startswith(prefix))


# In the shape of Kong's template: what stands where, and what each location inherits.
_CONFIG = """\
pid {tmp}/nginx.pid;
error_log stderr notice;
{main}

events {{
    worker_connections 1024;
{events}
}}

http {{
    client_body_temp_path {tmp}/body; proxy_temp_path {tmp}/proxy; fastcgi_temp_path {tmp}/fastcgi;
    uwsgi_temp_path {tmp}/uwsgi; scgi_temp_path {tmp}/scgi;
    lua_package_path "{lua}/?.lua;;";
    server_tokens off;
    access_log off;
    underscores_in_headers on;
{http}
    uninitialized_variable_warn off;
    init_by_lua_block {{ StandIn = require "kong_stand_in" }}

    server {{
        server_name kong;
        listen {address}:{proxy_port};
        error_page 400 404 405 408 411 412 413 414 417 /kong_error_handler;
        error_page 494 =494                            /kong_error_handler;
        error_page 500 502 503 504                     /kong_error_handler;
{proxy}
{trusted}
        rewrite_by_lua_block {{ StandIn.rewrite() }}
        access_by_lua_block {{ StandIn.access() }}
        header_filter_by_lua_block {{ StandIn.header_filter() }}

        location / {{
            default_type '';
            set $kong_proxy_mode 'http';
{location}
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://{upstream};
        }}
        location @unbuffered {{
            internal;
            default_type '';
            set $kong_proxy_mode 'unbuffered';
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_pass http://{upstream};
        }}
        location = /kong_buffered_http {{
            internal;
            default_type '';
            rewrite_by_lua_block {{ return }}
            access_by_lua_block {{ return }}
            header_filter_by_lua_block {{ return }}
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://{upstream};
        }}
        location = /kong_error_handler {{
            internal;
            default_type '';
            rewrite_by_lua_block {{ return }}
            access_by_lua_block {{ return }}
            content_by_lua_block {{ StandIn.handle_error() }}
        }}
    }}

    server {{
        server_name kong_status;
        listen {address}:{status_port};
        access_log off;
{status}
        location / {{
            default_type application/json;
            content_by_lua_block {{ ngx.say("{{}}") }}
        }}
    }}
}}
"""


class KongGateway:
    """`variables` are added to the environment of the Deployment, `changes` are texts of the .conf
    files to be replaced."""

    def __init__(self, stack, policy_text, variables=None, changes=None):
        directory = stack.workdir / "kong"
        self.quotad = stack.quotad(policy_text, flags=socket_flags())
        self.upstream = stack.upstream()
        conf = directory / "quota"
        copy_with(FOLDER, conf, {
            # These machines are slow and shared.
            "quota_timeout 20ms;": "quota_timeout 20s;", **(changes or {})})
        settings = settings_of({**QUOTA_ENVIRONMENT, **deployed_environment(), **(variables or {})})
        settings = {name: value.replace(MOUNTED, f"{conf}/").replace(SOCKET, self.quotad.address)
                    for name, value in settings.items()}
        settings["nginx_main_load_module"] = environment.quota_module()
        self.proxy_port, self.status_port = free_port(), free_port()
        modules = "".join(f"load_module {path};\n" for path in environment.lua_modules())
        addresses = [address.strip() for address in settings.get("trusted_ips", "").split(",")]
        config_path = directory / "nginx.conf"
        config_path.write_text(_CONFIG.format(
            tmp=directory / "tmp", lua=pathlib.Path(__file__).parent, address=ADDRESS,
            proxy_port=self.proxy_port, status_port=self.status_port,
            upstream=self.upstream.address,
            trusted="\n".join(f"        set_real_ip_from {address};"
                              for address in addresses if address),
            **{namespace: directives(settings, namespace)
               for namespace in ("events", "http", "proxy", "location", "status")},
            main=modules + directives(settings, "main")))
        self.nginx = stack.add(ShippedNginx(config_path, self.proxy_port, 1))

    def ask(self, path="/identify", key=None, headers=None, **how):
        return ask(self.nginx, path, headers=with_key(key, headers), **how)

    def ask_many(self, count, path="/identify", key=None, **how):
        return ask_many(self.nginx, count, path, headers=with_key(key), **how)

    def ask_status(self, path):
        return ask(self.nginx.at(self.status_port), path)

    def spent(self, name):
        """What a consumer has used of its month."""
        month = self.quotad.get_json(f"/v1/quota/{name}")["month"]
        return month["limit"] - month["remaining"]


def with_key(key, headers=None):
    return {**({"apikey": key} if key else {}), **(headers or {})}
