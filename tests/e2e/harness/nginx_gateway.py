"""The gateway of k8s/nginx-gateway, with a quotad and two backends."""

import json
import re

from harness import environment
from harness.certificates import write_self_signed
from harness.client import ask
from harness.ports import ADDRESS, accepts, free_port
from harness.process import wait_until
from harness.quotad import consumer, policy
from harness.shipped import (K8S, ShippedNginx, TlsConnection, client_context, copy_with,
                             give_to_nobody, socket_flags)

JWT_SECRET = "the secret of tokens that the gateway takes"


class NginxGateway:
    """`changes` are further texts of the configuration to be replaced, `sections` those of the
    policy."""

    def __init__(self, stack, changes=None, trusted="", **sections):
        directory = stack.workdir / "gateway"
        directory.mkdir()
        jwt_key = directory / "jwt.key"
        jwt_key.write_text(JWT_SECRET)
        identity = {"jwt": {"algorithm": "HS256", "key_file": str(jwt_key)},
                    **sections.pop("identity", {})}
        self.quotad = stack.quotad(
            policy([consumer("acme"), consumer("busy", "pro")], identity=identity, **sections),
            flags=socket_flags())
        self.v1 = stack.upstream()
        self.v2 = stack.upstream()
        self.certificate = write_self_signed(directory)
        self.access_log_path = directory / "access.log"
        self.access_log_path.touch()
        give_to_nobody(self.access_log_path)
        self.http_port, https_port, self.internal_port = free_port(), free_port(), free_port()
        conf = directory / "conf"
        copy_with(K8S / "nginx-gateway", conf, {
            "/usr/lib/nginx/modules/ngx_http_quota_module.so": environment.quota_module(),
            "unix:/run/quota/quota.sock": self.quotad.address,
            "/etc/nginx/tls/": f"{directory}/",
            "/tmp/": f"{conf}/tmp/",
            "/dev/stdout": str(self.access_log_path),
            "listen 8080 ": f"listen {ADDRESS}:{self.http_port} ",
            "listen 8443 ": f"listen {ADDRESS}:{https_port} ",
            "listen 9145;": f"listen {ADDRESS}:{self.internal_port};",
            "server api:80 ": f"server {self.v1.address} ",
            "server api-v2:80 ": f"server {self.v2.address} ",
            # These machines are slow and shared.
            "quota_timeout 20ms;": "quota_timeout 20s;",
            **(changes or {})})
        with (conf / "trusted-proxies.conf").open("a") as file:
            file.write(trusted)
        self.nginx = stack.add(ShippedNginx(conf / "nginx.conf", https_port, 2))
        self.context = client_context(self.certificate)

    @property
    def url(self):
        return f"https://{ADDRESS}:{self.nginx.port}"

    def connect(self, source=None, context=None):
        return TlsConnection(self.nginx, context or self.context, source)

    def ask(self, path="/identify", source=None, **how):
        """One request over a connection of its own."""
        with self.connect(source) as connection:
            return connection.ask(path, **how)

    def ask_many(self, count, path="/identify", **how):
        with self.connect() as connection:
            return [connection.ask(path, **how) for _ in range(count)]

    def ask_plainly(self, port, path, **how):
        """Without TLS, at one of the other ports."""
        return ask(self.nginx.at(port), path, **how)

    def spent(self, name):
        """What a consumer has used of its month."""
        quota = self.quotad.get_json(f"/v1/quota/{name}")["month"]
        return quota["limit"] - quota["remaining"]

    def requests_in_progress(self):
        """Besides the one that asks."""
        page = self.ask_plainly(self.internal_port, "/stub-status").body.decode()
        return int(re.search(r"Writing: (\d+)", page)[1]) - 1

    def accepts(self):
        return accepts(self.nginx.host, self.nginx.port)

    def log_lines(self, count):
        """The first `count` requests in the access log, when they are there."""
        def lines():
            found = self.access_log_path.read_text().splitlines()
            return found if len(found) >= count else None
        return [json.loads(line) for line in wait_until(lines, f"{count} lines are logged")]
