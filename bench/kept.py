#!/usr/bin/env python3
"""What it costs to keep something of each decision: usage, events and logged denials, on and off.

    bench/kept.py [--rounds 9] [--seconds 3] [--connections 64] [--pinned]

Starts two nginx, each with a quotad of its own: one quotad keeps nothing but its metrics, the other
meters usage and writes events of a tenth of what it allows. wrk asks them in turn. CPU is what the
kernel charged to the worker and to quotad.
"""

import argparse
import statistics
import subprocess
import tempfile
from pathlib import Path

from cpu_per_request import BUILD, NGINX, POLICY, children, load
from measuring import cpu_us, free_port, machine, wait_for

OFF = ["--usage", "off", "--events", "off", "--log-denials", "false"]


def kept(directory):
    return ["--usage", "on", "--events", "file", "--events-file", directory / "events.jsonl",
            "--events-sample", "0.1", "--log-denials", "true"]


class Gateway:
    def __init__(self, directory, words, pinned):
        directory.mkdir()
        self.port = free_port()
        (directory / "policy.yaml").write_text(POLICY)
        (directory / "nginx.conf").write_text(NGINX.format(
            dir=directory, build=BUILD, port=self.port, user="user root;",
            affinity="worker_cpu_affinity 01;" if pinned else ""))
        pin = ["taskset", "-c", "0"] if pinned else []
        self.quotad = subprocess.Popen(
            [*pin, BUILD / "quotad", "--listen", f"unix:{directory}/quota.sock",
             "--admin-listen", "off", "--policy", directory / "policy.yaml",
             "--store", f"local://{directory}/state.db", *words],
            stderr=(directory / "quotad.log").open("w"))
        self.nginx = subprocess.Popen(["nginx", "-p", directory, "-c", directory / "nginx.conf",
                                       "-e", directory / "error.log"])
        wait_for((directory / "quota.sock").exists, "quotad")
        wait_for(lambda: (directory / "nginx.pid").exists() and children(self.nginx.pid), "nginx")
        self.worker = children(self.nginx.pid)[0]

    def used(self):
        return cpu_us(self.worker), cpu_us(self.quotad.pid)

    def stop(self):
        for process in (self.nginx, self.quotad):
            process.terminate()
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--pinned", action="store_true")
    options = parser.parse_args()
    rows = {"nothing": [], "usage and events": []}
    with tempfile.TemporaryDirectory(prefix="quota-bench-") as name:
        base = Path(name)
        gateways = {"nothing": Gateway(base / "off", OFF, options.pinned),
                    "usage and events": Gateway(base / "on", kept(base / "on"), options.pinned)}
        try:
            for gateway in gateways.values():
                load(gateway.port, "/quota", options.connections, 1, options.pinned)
            for _ in range(options.rounds):
                for kind, gateway in gateways.items():
                    before = gateway.used()
                    requests = load(gateway.port, "/quota", options.connections, options.seconds,
                                    options.pinned)
                    worker, quotad = (b - a for a, b in zip(before, gateway.used()))
                    rows[kind].append((worker / requests, quotad / requests))
        finally:
            for gateway in gateways.values():
                gateway.stop()

    def spread(column):
        return f"{statistics.median(column):.2f} ({min(column):.2f} to {max(column):.2f})"

    print(machine())
    print(f"{options.rounds} interleaved rounds of {options.seconds} s, {options.connections} "
          f"connections, {'pinned' if options.pinned else 'free'}; median (lowest to highest)\n")
    print("| kept of a decision | worker µs/request | quotad µs/request | both |")
    print("| --- | --- | --- | --- |")
    for kind, values in rows.items():
        print(f"| {kind} | {spread([v[0] for v in values])} | {spread([v[1] for v in values])} "
              f"| {spread([sum(v) for v in values])} |")
    ratios = [sum(on) / sum(off) for off, on in zip(*rows.values())]
    print(f"\nKeeping costs {100 * (statistics.median(ratios) - 1):+.1f} % of a request's CPU "
          f"({100 * (min(ratios) - 1):+.1f} to {100 * (max(ratios) - 1):+.1f}).")


if __name__ == "__main__":
    main()
