#!/usr/bin/env python3
"""CPU per request of plain nginx, limit_req and quotagate, side by side in interleaved rounds.

    bench/cpu_per_request.py [--rounds 5] [--seconds 4] [--connections 64] [--pinned]

Starts nginx and quotad itself, on loopback and a unix socket, and stops them. CPU is what the kernel
charged to the nginx worker and to quotad while wrk ran; wrk's own is left out. With --pinned the
worker and quotad share one core and wrk has another.
"""

import argparse
import hashlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import cpu_us, free_port, machine, wait_for

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


def outcomes(port):
    text = subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/metrics"], check=True,
                          capture_output=True, text=True).stdout
    return dict(re.findall(r'requests_total\{outcome="(\w+)"\} (\d+)', text))


def measure(options, directory):
    port = free_port()
    (directory / "policy.yaml").write_text(POLICY)
    (directory / "nginx.conf").write_text(
        NGINX.format(dir=directory, build=BUILD, port=port,
                     user="user root;" if os.geteuid() == 0 else "",
                     affinity="worker_cpu_affinity 01;" if options.pinned else ""))
    pin = ["taskset", "-c", "0"] if options.pinned else []
    quotad = subprocess.Popen(
        [*pin, BUILD / "quotad", "--listen", f"unix:{directory}/quota.sock", "--admin-listen", "off",
         "--policy", directory / "policy.yaml", "--store", f"local://{directory}/state.db"],
        stderr=(directory / "quotad.log").open("w"))
    nginx = subprocess.Popen(["nginx", "-p", directory, "-c", directory / "nginx.conf",
                              "-e", directory / "error.log"])
    try:
        wait_for((directory / "quota.sock").exists, "quotad")
        wait_for(lambda: (directory / "nginx.pid").exists() and children(nginx.pid), "nginx")
        worker = children(nginx.pid)[0]
        kinds = ["plain", "limit_req", "quota"]
        rows = {kind: [] for kind in kinds}
        for kind in kinds:  # warm up
            load(port, f"/{kind}", options.connections, 1, options.pinned)
        before = outcomes(port)
        asked = 0
        for _ in range(options.rounds):
            for kind in kinds:
                start = [cpu_us(worker), cpu_us(quotad.pid)]
                requests = load(port, f"/{kind}", options.connections, options.seconds,
                                options.pinned)
                used = [cpu_us(worker) - start[0], cpu_us(quotad.pid) - start[1]]
                rows[kind].append((used[0] / requests, used[1] / requests,
                                   requests / options.seconds))
                asked += requests if kind == "quota" else 0
        after = outcomes(port)
        decided = int(after["allowed"]) - int(before["allowed"])
        # wrk leaves a few requests under way when it stops.
        if not asked <= decided <= asked + options.rounds * options.connections:
            sys.exit(f"of {asked} requests only {decided} were decided by quotad: {after}")
        return rows
    finally:
        for process in (nginx, quotad):
            process.send_signal(signal.SIGTERM)
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--pinned", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quota-bench-") as directory:
        rows = measure(options, Path(directory))

    print(machine())
    print(f"{options.rounds} interleaved rounds of {options.seconds} s, {options.connections} "
          f"connections, {'pinned' if options.pinned else 'free'}; median (lowest to highest)\n")
    print("| | worker µs/request | quotad µs/request | added to plain, µs | requests/s |")
    print("| --- | --- | --- | --- | --- |")
    for kind, values in rows.items():
        def spread(column):
            return (f"{statistics.median(column):.2f} "
                    f"({min(column):.2f} to {max(column):.2f})")
        # Paired by round: the machine's mood of the moment is in both.
        added = [w + q - pw for (w, q, _), (pw, _, _) in zip(values, rows["plain"])]
        print(f"| {kind} | {spread([v[0] for v in values])} | {spread([v[1] for v in values])} "
              f"| {'–' if kind == 'plain' else spread(added)} "
              f"| {statistics.median(v[2] for v in values):,.0f} |")


if __name__ == "__main__":
    main()
