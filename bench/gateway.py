"""An nginx with the module and a quotad beside it, for the benches that ask them over HTTP."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from measuring import cpu_us, free_port, wait_for

BUILD = Path(__file__).resolve().parent.parent / "build" / "release"
KEY = "bench-key"

NGINX = """
{user}
daemon off;
worker_processes 1;
{affinity}
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
load_module {build}/ngx_http_quota_module.so;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  limit_req_zone $binary_remote_addr zone=lr:10m rate=1000000r/s;
  quota_pass unix:{dir}/quota.sock;
  quota_timeout 1s;
  server {{
    listen 127.0.0.1:{port};
    location = /plain {{ empty_gif; }}
    location = /limit_req {{ limit_req zone=lr burst=1000000 nodelay; empty_gif; }}
    location = /quota {{ quota on; quota_attribute api_key $http_x_api_key; empty_gif; }}
    location = /metrics {{ quota off; quota_metrics; }}
  }}
}}
"""

POLICY = f"""
version: 1
tiers:
  bench: {{requests_per_minute: 900000000, monthly_quota: 100000000000000}}
endpoints:
  - {{method: OPTIONS, path: "*", cost: 0}}
  - {{path: /identify, cost: 1.0}}
  - {{path: /quota, cost: 1.0}}
consumers:
  - {{id: bench, tier: bench, api_keys_sha256: ["{hashlib.sha256(KEY.encode()).hexdigest()}"]}}
"""


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def load(port, path, connections, seconds, pinned):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-H", f"X-Api-Key: {KEY}",
               f"http://127.0.0.1:{port}{path}"]
    if pinned:
        command = ["taskset", "-c", "1", *command]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output:
        sys.exit(f"{path} answered with errors:\n{output}")
    return int(re.search(r"(\d+) requests in", output).group(1))


class Gateway:
    """Pinned, the worker and quotad share a core. `words` are more flags for quotad."""

    def __init__(self, directory, pinned, words=()):
        self.pinned = pinned
        self.port = free_port()
        (directory / "policy.yaml").write_text(POLICY)
        (directory / "nginx.conf").write_text(
            NGINX.format(dir=directory, build=BUILD, port=self.port,
                         user="user root;" if os.geteuid() == 0 else "",
                         affinity="worker_cpu_affinity 01;" if pinned else ""))
        self.quotad = subprocess.Popen(
            [*(["taskset", "-c", "0"] if pinned else []), BUILD / "quotad",
             "--listen", f"unix:{directory}/quota.sock", "--admin-listen", "off",
             "--policy", directory / "policy.yaml", "--store", f"local://{directory}/state.db",
             *words],
            stderr=(directory / "quotad.log").open("w"))
        self.nginx = subprocess.Popen(["nginx", "-p", directory, "-c", directory / "nginx.conf",
                                       "-e", directory / "error.log"])
        try:
            wait_for((directory / "quota.sock").exists, "quotad")
            wait_for(lambda: (directory / "nginx.pid").exists() and children(self.nginx.pid),
                     "nginx")
        except SystemExit:
            self.stop()
            raise
        self.worker = children(self.nginx.pid)[0]

    def load(self, path, connections, seconds):
        """How many requests were answered."""
        return load(self.port, path, connections, seconds, self.pinned)

    def cpu_us(self):
        """What the worker and quotad have used so far."""
        return cpu_us(self.worker), cpu_us(self.quotad.pid)

    def measure(self, path, connections, seconds):
        """Requests, and what one of them cost the worker and quotad."""
        before = self.cpu_us()
        requests = self.load(path, connections, seconds)
        worker, quotad = (b - a for a, b in zip(before, self.cpu_us()))
        return requests, worker / requests, quotad / requests

    def stop(self):
        for process in (self.nginx, self.quotad):
            process.terminate()
            process.wait()
