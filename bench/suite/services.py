"""The processes that are measured: started on unix sockets and free ports, stopped with a Scene."""

import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

from measuring import free_port, wait_for

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("QUOTA_BUILD_DIR", REPO / "build" / "release"))
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # nginx, for ordinary users

_NGINX = """
{user}
daemon off;
worker_processes {workers};
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
{modules}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2;
  fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  {http}
  server {{
    listen {listen};
    {server}
  }}
}}
"""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def get(where, path, headers=None):
    """Status, headers and text of one answer; `where` is a port on loopback or a unix socket."""
    connection = (_UnixConnection(where) if isinstance(where, Path)
                  else http.client.HTTPConnection("127.0.0.1", where, timeout=10))
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode("utf-8", "replace")


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _program(name):
    return shutil.which(name, path=PATH) or name


class Scene:
    """A directory, and the processes that end with it."""

    def __init__(self, directory):
        self.directory = directory
        self._processes = contextlib.ExitStack()
        self._running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._processes.close()

    def run(self, name, *command):
        """In a session of its own, so that Ctrl-C reaches only who asked; and never left behind."""
        with (self.directory / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *map(str, command)], stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        self._processes.callback(_stop, process)
        self._running[name] = process
        return process

    def check(self):
        """Ends in a sentence when a process has ended by itself."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise SystemExit(f"{name} has ended with {process.returncode}: {self._last(name)}")

    def _last(self, name):
        log = (self.directory / f"{name}.log").read_text(errors="replace").strip()
        return log.splitlines()[-1] if log else "it said nothing"

    def nginx(self, name, *, http="", server="", modules=(), workers=1, port=None):
        return Nginx(self, name, http, server, modules, workers, port)

    def quotad(self, name, policy, store, threads=1, words=()):
        return Quotad(self, name, policy, store, threads, words)

    def redis(self, name):
        return Redis(self, name)

    def wait(self, condition, name):
        def is_up():
            self.check()
            return condition()
        wait_for(is_up, name)


def _stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Nginx:
    """Listens on a free port, or on the unix socket `socket` when `port` is "unix"."""

    def __init__(self, scene, name, http_part, server, modules, workers, port):
        directory = scene.directory / name
        directory.mkdir()
        self.socket = directory / "http.sock"
        self.port = self.socket if port == "unix" else free_port()
        listen = (f"unix:{self.socket}" if port == "unix"
                  else f"127.0.0.1:{self.port}{' reuseport' if workers > 1 else ''}")
        (directory / "nginx.conf").write_text(_NGINX.format(
            directory=directory, workers=workers, http=http_part, server=server, listen=listen,
            modules="".join(f"load_module {module};" for module in modules),
            user="user root;" if os.geteuid() == 0 else ""))
        process = scene.run(name, _program("nginx"), "-p", directory, "-c",
                            directory / "nginx.conf", "-e", directory / "error.log")
        scene.wait(lambda: (directory / "nginx.pid").exists()
                   and len(children(process.pid)) == workers, name)
        self.workers = children(process.pid)


class Quotad:
    def __init__(self, scene, name, policy, store, threads, words):
        directory = scene.directory / name
        directory.mkdir()
        (directory / "policy.yaml").write_text(policy)
        self.socket = directory / "quota.sock"
        self.admin = free_port()
        process = scene.run(
            name, BUILD / "quotad", "--listen", f"unix:{self.socket}", "--admin-listen",
            f"127.0.0.1:{self.admin}", "--policy", directory / "policy.yaml", "--threads", threads,
            "--store", store or f"local://{directory}/state.db", "--store-journal",
            directory / "journal.db", *words)
        self.pid = process.pid
        scene.wait(self.socket.exists, name)

    def metrics(self):
        return get(self.admin, "/metrics")[2]

    def decided(self):
        """How many checks it has let through, not in doubt."""
        return sum(float(value) for value in re.findall(
            r'^quota_decisions_total\{[^}]*outcome="allowed"[^}]*\} (\S+)', self.metrics(), re.M))


class Redis:
    def __init__(self, scene, name):
        directory = scene.directory / name
        directory.mkdir()
        self.socket = directory / "redis.sock"
        process = scene.run(name, _program("redis-server"), "--port", "0", "--unixsocket",
                            self.socket, "--save", "", "--appendonly", "no", "--dir", directory)
        self.pid = process.pid
        scene.wait(self.socket.exists, name)

    def calls(self, command):
        text = subprocess.run(["redis-cli", "-s", self.socket, "INFO", "commandstats"], check=True,
                              capture_output=True, text=True).stdout
        found = re.search(rf"^cmdstat_{command}:calls=(\d+)", text, re.M)
        return int(found[1]) if found else 0
