"""An nginx that runs a configuration of k8s/ as it is, but for the addresses of its world."""

import dataclasses
import http.client
import os
import pathlib
import re
import signal
import ssl

from harness import environment
from harness.client import Connection
from harness.nginx import Nginx
from harness.ports import ADDRESS
from harness.process import wait_until

K8S = environment.REPO / "k8s"

# Who runs it, where the tests are root's: nobody.
_UID = 65534
_AS_NOBODY = (["setpriv", f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups"]
              if os.geteuid() == 0 else [])


def give_to_nobody(path):
    if os.geteuid() == 0:
        os.chown(path, _UID, _UID)


def socket_flags():
    """For a quotad whose socket the gateway must reach without being root: a group that they share,
    as fsGroup gives them one in a pod."""
    return ["--socket-group", "nogroup"] if os.geteuid() == 0 else []


def copy_with(source, target, replacements):
    """Copies the .conf files of a folder, with texts replaced. Each text has to be there: a test
    that replaces nothing would test something else than it says."""
    target.mkdir(parents=True)
    found = set()
    # In one go: what is put in is not looked at again.
    either = re.compile("|".join(map(re.escape, replacements)))

    def replaced(match):
        found.add(match[0])
        return replacements[match[0]]

    for path in sorted(pathlib.Path(source).glob("*.conf")):
        (target / path.name).write_text(either.sub(replaced, path.read_text()))
    missing = set(replacements) - found
    assert not missing, f"no file of {source} says {missing}"


class ShippedNginx(Nginx):
    """Runs `config_path` in the foreground with the error log on standard error, as a container
    does. `writable`: the only directory that it may write to."""

    # Not the base's own __init__: that writes a configuration.
    # pylint: disable-next=super-init-not-called
    def __init__(self, config_path, port, workers):
        self.prefix = config_path.parent
        self.workers = workers
        self.host = ADDRESS
        self.port = port
        self.process = None
        self.allowed_complaints = None
        self._config_path = config_path
        self.writable = self.prefix / "tmp"
        self.writable.mkdir()
        give_to_nobody(self.writable)
        self._workdir = self.writable  # where a sanitizer reports

    @property
    def config_path(self):
        return self._config_path

    def _command(self):
        return [*_AS_NOBODY, environment.program("nginx"), "-e", "stderr", "-p", self.prefix,
                "-c", self.config_path, "-g", "daemon off;"]

    def error_log(self):
        return self.process.log() if self.process else ""

    def output(self):
        return self.error_log()

    def at(self, port):
        """Another port of it."""
        return Place(self.host, port)

    def reload(self):
        """Returns when the old workers have ended."""
        before = set(self.worker_pids())
        self.process.send(signal.SIGHUP)
        wait_until(lambda: len(set(self._children()) - before) >= self.workers
                   and not before & set(self._children()), "new workers replace the old ones")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where clients may connect to."""

    host: str
    port: int


class TlsConnection(Connection):
    """Like Connection, over TLS."""

    def __init__(self, nginx, context, source=None):  # pylint: disable=super-init-not-called
        self._connection = http.client.HTTPSConnection(
            nginx.host, nginx.port, timeout=60, context=context,
            source_address=(source, 0) if source else None)

    def finish(self, body):
        """The body of a request that announced one."""
        self._connection.send(body)


def client_context(certificate, **settings):
    """Of a client that trusts this certificate and no other."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default of Python 3.13
    for name, value in settings.items():
        setattr(context, name, value)
    return context
