#!/usr/bin/env python3
"""CPU per request of plain nginx, limit_req and quotagate, side by side in interleaved rounds.

    bench/cpu_per_request.py [--rounds 5] [--seconds 4] [--connections 64] [--pinned]

Starts nginx and quotad itself, on loopback and a unix socket, and stops them. CPU is what the kernel
charged to the nginx worker and to quotad while wrk ran; wrk's own is left out. With --pinned the
worker and quotad share one core and wrk has another.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from gateway import Gateway
from measuring import machine, spread

def outcomes(port):
    text = subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/metrics"], check=True,
                          capture_output=True, text=True).stdout
    return dict(re.findall(r'requests_total\{outcome="(\w+)"\} (\d+)', text))


def measure(options, directory):
    gateway = Gateway(directory, options.pinned)
    try:
        kinds = ["plain", "limit_req", "quota"]
        rows = {kind: [] for kind in kinds}
        for kind in kinds:  # warm up
            gateway.load(f"/{kind}", options.connections, 1)
        before = outcomes(gateway.port)
        asked = 0
        for _ in range(options.rounds):
            for kind in kinds:
                requests, worker, quotad = gateway.measure(f"/{kind}", options.connections,
                                                           options.seconds)
                rows[kind].append((worker, quotad, requests / options.seconds))
                asked += requests if kind == "quota" else 0
        after = outcomes(gateway.port)
        decided = int(after["allowed"]) - int(before["allowed"])
        # wrk leaves a few requests under way when it stops.
        if not asked <= decided <= asked + options.rounds * options.connections:
            sys.exit(f"of {asked} requests only {decided} were decided by quotad: {after}")
        return rows
    finally:
        gateway.stop()


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
        # Paired by round: the machine's mood of the moment is in both.
        added = [w + q - pw for (w, q, _), (pw, _, _) in zip(values, rows["plain"])]
        print(f"| {kind} | {spread([v[0] for v in values])} | {spread([v[1] for v in values])} "
              f"| {'–' if kind == 'plain' else spread(added)} "
              f"| {statistics.median(v[2] for v in values):,.0f} |")


if __name__ == "__main__":
    main()
