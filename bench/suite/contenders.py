"""Who is measured: what each does to a request, which processes take part, and how it is checked
that they really did."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from measuring import cpu_us
from suite import placement
from suite.services import BUILD, Scene, get

KEY = "bench-key"
HEADERS = {"X-Api-Key": KEY}
HANDLERS = ["static", "proxied"]
_MODULES = Path("/usr/lib/nginx/modules")
_QUOTA_HEADERS = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit",
                  "RateLimit-Policy", "X-Quota-Tier", "X-Quota-Monthly-Remaining"]
_LUA_HEADERS = ["X-RateLimit-Limit-Minute", "X-RateLimit-Remaining-Minute", "RateLimit-Limit",
                "RateLimit-Remaining", "RateLimit-Reset"]

POLICY = f"""
version: 1
tiers:
  bench: {{requests_per_minute: 900000000, monthly_quota: 100000000000000}}
endpoints:
  - {{method: OPTIONS, path: "*", cost: 0}}
  - {{path: /identify, cost: 1.0}}
  - {{path: /static, cost: 1.0}}
  - {{path: /proxied, cost: 1.0}}
consumers:
  - {{id: bench, tier: bench, api_keys_sha256: ["{hashlib.sha256(KEY.encode()).hexdigest()}"]}}
"""


@dataclass
class Part:
    """A contender's piece of nginx.conf, and the processes beside nginx."""
    http: str = ""
    server: str = ""
    guard: str = ""  # in every location that is asked
    modules: tuple = ()
    pids: dict = field(default_factory=dict)  # by role
    # How many requests it has decided so far; None where nobody counts.
    decided: Callable | None = None
    # One sentence on what is wrong at the end, or None.
    complaint: Callable = lambda: None


def _plain(_scene):
    return Part()


def _limit_req(_scene):
    return Part(http="limit_req_zone $binary_remote_addr zone=all:10m rate=1000000r/s;",
                guard="limit_req zone=all burst=1000000 nodelay;",
                server="""location = /checked {
                  limit_req zone=all burst=1000000 nodelay;
                  add_header X-Limit-Req $limit_req_status; empty_gif; }""")


def _auth_request(scene):
    auth = scene.nginx("auth", port="unix", server="""
        location / { return 204; }
        location = /status { stub_status; }""")

    def decided():
        return int(re.search(r"(\d+)\s+Reading", get(auth.socket, "/status")[2])[1])

    return Part(
        http=f"upstream auth {{ server unix:{auth.socket}; keepalive 512; }}",
        server="""location = /auth {
          internal; proxy_pass http://auth; proxy_http_version 1.1;
          proxy_set_header Connection ""; proxy_pass_request_body off;
          proxy_set_header Content-Length ""; }""",
        guard="auth_request /auth;", pids={"auth server": auth.workers}, decided=decided)


def _lua_redis(scene):
    redis = scene.redis("lua-redis")
    return Part(
        modules=(_MODULES / "ndk_http_module.so", _MODULES / "ngx_http_lua_module.so"),
        http=f"""lua_package_path "{Path(__file__).parent}/?.lua;;";
          init_by_lua_block {{ limit = require "limit" }}""",
        guard=f'access_by_lua_block {{ limit("unix:{redis.socket}") }}',
        pids={"Redis": [redis.pid]}, decided=lambda: redis.calls("incrby"))


def quota_part(quotad):
    """What makes an nginx ask this quotad, everything on."""
    def complaint():
        lost = re.search(r"^quota_degraded (\S+)", quotad.metrics(), re.M)
        return ("quotad decides without its store" if lost and float(lost[1]) else None)

    return Part(
        modules=(BUILD / "ngx_http_quota_module.so",),
        http=f"""quota_pass unix:{quotad.socket}; quota_timeout 1s; quota_headers both;
          quota_on_error deny;""",
        server="location = /metrics { quota_metrics; }",
        guard="quota on; quota_attribute api_key $http_x_api_key;",
        pids={"quotad": [quotad.pid]}, decided=quotad.decided, complaint=complaint)


def _quotagate(scene):
    return quota_part(scene.quotad("quotad", POLICY, None))


def _quotagate_redis(scene):
    redis = scene.redis("quota-redis")
    quotad = scene.quotad("quotad-redis", POLICY, f"redis+unix://{redis.socket}")
    part = quota_part(quotad)
    part.pids["Redis"] = [redis.pid]
    part.complaint = lambda complaint=part.complaint: complaint() or (
        None if redis.calls("evalsha") + redis.calls("eval") else "quotad never asked Redis")
    return part


@dataclass(frozen=True)
class Kind:
    title: str
    build: Callable
    headers: list = field(default_factory=list)  # that every answer must carry


KINDS = {
    "plain": Kind("plain nginx", _plain),
    "limit_req": Kind("limit_req", _limit_req),
    "auth_request": Kind("auth_request to a local server", _auth_request),
    "lua_redis": Kind("Lua + Redis", _lua_redis, _LUA_HEADERS),
    "quotagate": Kind("quotagate, embedded store", _quotagate, _QUOTA_HEADERS),
    "quotagate_redis": Kind("quotagate + Redis leases", _quotagate_redis, _QUOTA_HEADERS),
}


def locations(part, upstream):
    """The two that every contender has: one answers itself, one asks the upstream."""
    return {
        "http": f"upstream app {{ server unix:{upstream.socket}; keepalive 512; }}\n{part.http}",
        "server": f"""
          location = /static {{ {part.guard} empty_gif; }}
          location = /proxied {{ {part.guard} proxy_pass http://app; proxy_http_version 1.1;
            proxy_set_header Connection ""; }}
          {part.server}""",
    }


def start_upstream(scene):
    body = '{"matches":[{"id":17,"score":0.98},{"id":4,"score":0.71}],"took_ms":3}'
    return scene.nginx("upstream", port="unix", server=f"""
        location / {{ default_type application/json; return 200 '{body}'; }}""")


class Gateway:
    """An nginx with a part of its own and what stands beside it."""

    def __init__(self, name, scene, upstream, part, workers=1):
        self.name = name
        self.part = part
        self._scene = scene
        self._upstream = upstream
        nginx = scene.nginx(f"nginx-{name}", modules=part.modules, workers=workers,
                            **locations(part, upstream))
        self.port = nginx.port
        self.roles = {"nginx": nginx.workers, **part.pids}

    def move(self, cores):
        for pids in [*self.roles.values(), self._upstream.workers]:
            placement.move(pids, cores)

    def cpu(self):
        """Microseconds used so far, by role."""
        self._scene.check()
        return {role: sum(map(cpu_us, pids)) for role, pids in
                {**self.roles, "upstream": self._upstream.workers}.items()}


class Contender(Gateway):
    """One of the kinds, running."""

    def __init__(self, name, scene, upstream):
        self.kind = KINDS[name]
        super().__init__(name, scene, upstream, self.kind.build(scene))

    def verify(self):
        """One sentence on what is wrong with its answers, or None."""
        for handler in HANDLERS:
            status, headers, _ = get(self.port, f"/{handler}", HEADERS)
            if status != 200:
                return f"{self.kind.title} answers /{handler} with {status}, not 200"
            missing = [name for name in self.kind.headers if name not in headers]
            if missing:
                return f"{self.kind.title} answers /{handler} without {', '.join(missing)}"
            if headers.get("X-Quota-Tier", "bench") != "bench":
                return f"{self.kind.title} does not know who asks"
        if self.name == "limit_req":
            passed = get(self.port, "/checked", HEADERS)[1].get("X-Limit-Req")
            if passed != "PASSED":
                return f"limit_req says {passed}, not PASSED"
        return self.part.complaint()


def start_all(names, directory, stack):
    """Enters a Scene into the stack, and gives the contenders by name."""
    scene = stack.enter_context(Scene(directory))
    upstream = start_upstream(scene)
    return {name: Contender(name, scene, upstream) for name in names}
