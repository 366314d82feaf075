"""The processes of one test: made together, ended together, and asked whether they complained."""

import contextlib
import pathlib
import re
import shutil
import tempfile

from fake_sidecar import FakeSidecar
from harness.nginx import Nginx
from harness.quotad import Quotad
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
