"""The processes of one test: made together, ended together, and asked whether they complained."""

import contextlib
import pathlib
import re
import shutil
import tempfile

from fake_sidecar import FakeSidecar
from harness.load import OUTCOMES
from harness.nginx import CHECKED, Nginx
from harness.prometheus import Prometheus
from harness.quotad import Quotad
from harness.redis_servers import ClusterSet, RedisServer, SentinelSet
from harness.slow_proxy import SlowProxy
from harness.upstream import Upstream

_SANITIZER_REPORT = re.compile(
    r"(ERROR|WARNING): \w+Sanitizer|SUMMARY: \w+Sanitizer|: runtime error: ")


class Stack:
    def __init__(self):
        # Not pytest's tmp_path: the path of a unix socket may have 107 bytes and no more.
        self.workdir = pathlib.Path(tempfile.mkdtemp(prefix="quota-"))
        self.workdir.chmod(0o755)
        self._things = []

    def _keep(self, thing):
        self._things.append(thing)
        return thing

    def quotad(self, policy_text=None, *, start=True, **how):
        """Started, unless a test wants to do that itself."""
        name = f"quotad{len(self._things)}"
        quotad = self._keep(Quotad(self.workdir, policy_text, name=name, **how))
        return quotad.start() if start else quotad

    def nginx(self, server="", *, start=True, **how):
        name = f"nginx{len(self._things)}"
        nginx = self._keep(Nginx(self.workdir, server, name=name, **how))
        return nginx.start() if start else nginx

    def fake_sidecar(self, **how):
        return self._keep(FakeSidecar(self.workdir / f"fake{len(self._things)}.sock", **how).start())

    def upstream(self):
        return self._keep(Upstream())

    # Kept before they are started: a start that fails half way leaves processes too.

    def redis(self, *, start=True, **how):
        server = self._keep(RedisServer(self.workdir, name=f"redis{len(self._things)}", **how))
        return server.start() if start else server

    def sentinels(self, **how):
        return self._keep(SentinelSet(self.workdir, **how)).start()

    def cluster(self, **how):
        return self._keep(ClusterSet(self.workdir, **how)).start()

    def prometheus(self, **targets):
        """Scrapes addresses that are given by job."""
        return self._keep(Prometheus(self.workdir, targets)).start()

    def slow_proxy(self, target):
        return self._keep(SlowProxy(target).start())

    def quotads(self, count, policy_text, store, **how):
        """Several that share a store, each with its own socket, admin port and journal."""
        quotads = [self.quotad(policy_text, store=store, start=False, **how) for _ in range(count)]
        for quotad in quotads:
            quotad.launch()
        return [quotad.wait_until_ready() for quotad in quotads]

    def gateway(self, quotad, quota, **how):
        """An nginx that tells its clients, and harness.load, what became of each request."""
        return self.nginx(f"location / {{ {CHECKED} {OUTCOMES} }}", sidecar=quotad, quota=quota,
                          **how)

    def add(self, thing):
        """Starts what a test has made itself; it ends with the others."""
        return self._keep(thing).start()

    def logs(self):
        """Name and text of every log so far."""
        paths = [path for path in sorted(self.workdir.rglob("*"))
                 if path.is_file() and (path.suffix == ".log" or "sanitizer." in path.name)]
        return {str(path.relative_to(self.workdir)): path.read_text(errors="replace")
                for path in paths}

    def close(self):
        """Ends everything, gateways before sidecars, and fails if anything complained."""
        faults = []
        for thing in reversed(self._things):
            try:
                thing.stop()
            except Exception as error:  # pylint: disable=broad-except
                faults.append(str(error))
        for thing in self._things:
            if isinstance(thing, Nginx):
                faults += thing.complaints()
        for name, text in self.logs().items():
            report = _SANITIZER_REPORT.search(text)
            if report:
                faults.append(f"{name}:\n{text[max(0, report.start() - 200):][:6000]}")
        shutil.rmtree(self.workdir, ignore_errors=True)
        assert not faults, "\n".join(faults)

    def kill(self):
        for thing in reversed(self._things):
            with contextlib.suppress(Exception):
                getattr(thing, "kill", thing.stop)()
