"""A real nginx with the module, in a directory of its own."""

import os
import re
import signal

from harness import environment
from harness.client import ask
from harness.ports import ADDRESS, accepts, free_port
from harness.process import Process, run, wait_until

_CONFIG = """\
{modules}
{user}
daemon off;
worker_processes {workers};
worker_shutdown_timeout 60s;
error_log {prefix}/error.log {log_level};
pid {prefix}/nginx.pid;
{main}
events {{
    worker_connections 2048;
}}
http {{
    {access_log}
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    keepalive_requests 100000;

    # A fast upstream without quotas: says which URI reached it.
    upstream content {{
        server unix:{prefix}/content.sock;
        keepalive 64;
    }}
    server {{
        listen unix:{prefix}/content.sock backlog=4096;
        access_log off;
        location / {{
            if ($request_method = OPTIONS) {{
                return 204;
            }}
            return 200 $request_uri;
        }}
    }}

    {quota}
    {http}
    server {{
        listen {address}:{port};
        listen {address}:{h2_port} http2;
        location = /stub-status {{
            stub_status;
            access_log off;
        }}
        {server}
    }}
}}
"""

_ACCESS_LOG = """\
    log_format quota '$status $request_method $uri outcome=$quota_outcome reason=$quota_reason';
    access_log {prefix}/access.log quota;
"""

# What nginx must never say, whatever a test does to it.
_FORBIDDEN = re.compile(r"\[(alert|emerg)\]|open socket #\d+ left in connection")


# What most tests put into a location: checked, and answered by the upstream `content`.
CHECKED = """
    quota on;
    quota_attribute api_key $http_x_api_key;
    proxy_pass http://content;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
"""


class Nginx:
    """`http` and `server` are configuration for these contexts, `sidecar` is anything with an
    address, `quota` goes beside quota_pass. A decision may take long unless a test says otherwise:
    these machines are slow and shared."""

    def __init__(self, workdir, server="", *, http="", main="", sidecar=None, workers=1,
                 quota="quota_timeout 20s;", modules=(), with_module=True, log_level="info",
                 name="nginx"):
        self.prefix = workdir / name
        self.prefix.mkdir()
        self.workers = workers
        self.host = ADDRESS
        self.port = free_port()
        self.h2_port = free_port()
        self.process = None
        self.allowed_complaints = None
        self._workdir = workdir
        loaded = list(modules) + ([environment.quota_module()] if with_module else [])
        quota_lines = [f"quota_pass {sidecar.address};"] if sidecar else []
        quota_lines += [quota] if with_module else []
        self._fields = {
            "modules": "\n".join(f"load_module {path};" for path in loaded),
            "user": "user root;" if os.geteuid() == 0 else "",
            "workers": workers, "prefix": self.prefix, "main": main, "log_level": log_level,
            "access_log": _ACCESS_LOG.format(prefix=self.prefix) if with_module else "access_log off;",
            "quota": "\n    ".join(quota_lines), "http": http, "server": server,
            "address": self.host, "port": self.port, "h2_port": self.h2_port}
        self.configure()

    def configure(self, **changes):
        """Writes the configuration anew, with some of the constructor's texts replaced."""
        self._fields.update(changes)
        self.config_path.write_text(_CONFIG.format(**self._fields))

    @property
    def config_path(self):
        return self.prefix / "nginx.conf"

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"

    def _command(self):
        return [environment.program("nginx"), "-e", self.prefix / "error.log", "-p", self.prefix,
                "-c", self.config_path]

    def start(self):
        self.process = Process("nginx", self._command(), self.prefix / "output.log",
                               environment.nginx_environment(self._workdir))
        wait_until(lambda: accepts(self.host, self.port) or not self.process.is_running(),
                   "nginx listens")
        assert self.process.is_running(), f"nginx did not start:\n{self.output()}"
        return self

    def test(self):
        """nginx -t: the exit code, and what it says."""
        done = run(self._command() + ["-t"], environment.nginx_environment(self._workdir))
        return done.returncode, done.stdout + done.stderr

    def error_log(self):
        path = self.prefix / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def access_log(self):
        """The lines of log_format quota."""
        return (self.prefix / "access.log").read_text(errors="replace").splitlines()

    def output(self):
        return self.process.log() + self.error_log()

    def worker_pids(self):
        # The master listens before it has started its workers.
        wait_until(lambda: len(self._children()) >= self.workers, "the workers run")
        return self._children()

    def _children(self):
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def requests_in_progress(self):
        """How many requests nginx has read and not yet answered, besides the one that asks."""
        status = ask(self, "/stub-status").body.decode()
        return int(re.search(r"Writing: (\d+)", status)[1]) - 1

    def reload(self):
        """Returns when new workers run. The old ones may still have work to finish."""
        before = self.error_log().count("start worker process ")
        self.process.send(signal.SIGHUP)
        wait_until(
            lambda: self.error_log().count("start worker process ") >= before + self.workers,
            "nginx starts new workers after a reload")

    def quit(self):
        """Asks for a graceful stop; wait() or stop() then waits for its end."""
        self.process.send(signal.SIGQUIT)

    def stop(self):
        """A graceful stop to its end."""
        if self.process is None:
            return
        try:
            code = self.process.stop(signal.SIGQUIT)
            assert code == 0, f"nginx ended with {code}:\n{self.output()}"
        finally:
            self.process.kill()

    def kill(self):
        if self.process is not None:
            self.process.kill()

    def allow_complaints(self, pattern):
        """For a test that provokes an [alert] on purpose: lines that match are no fault."""
        self.allowed_complaints = re.compile(pattern)

    def complaints(self):
        """Lines of the error log that no test may cause."""
        return [line for line in self.error_log().splitlines() if _FORBIDDEN.search(line)
                and not (self.allowed_complaints and self.allowed_complaints.search(line))]
