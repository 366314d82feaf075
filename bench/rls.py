#!/usr/bin/env python3
"""What a decision for Envoy costs quotad: one gRPC call each, as Envoy asks.

    bench/rls.py [--rounds 5] [--seconds 5] [--in-flight 64] [--denied]

Starts a quotad with 1,000 consumers and asks it over a unix socket with quota_rls_load. CPU is what
the kernel charged to quotad's process.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import cpu_us, machine, spread, wait_for

BUILD = Path(__file__).resolve().parent.parent / "build" / "release"


def policy(denied):
    limits = ({"requests_per_minute": 1} if denied else
              {"requests_per_minute": 10**9, "monthly_quota": 10**12})
    consumers = [{"id": f"consumer-{i}", "tier": "busy",
                  "api_keys_sha256": [hashlib.sha256(f"key-{i}".encode()).hexdigest()]}
                 for i in range(1000)]
    return json.dumps({"version": 1, "tiers": {"busy": limits},
                       "endpoints": [{"path": "/identify", "cost": 1}], "consumers": consumers})


def ask(socket, seconds, in_flight):
    """How many decisions came, and how many of them were refusals."""
    said = subprocess.run([BUILD / "bench" / "quota_rls_load", f"unix:{socket}", str(seconds),
                           str(in_flight)], check=True, capture_output=True, text=True).stdout
    decided, over, _ = map(int, re.findall(r"\d+", said))
    return decided, over


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--denied", action="store_true", help="nearly every request is refused")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quota-bench-") as name:
        directory = Path(name)
        socket = directory / "quota.sock"
        (directory / "policy.yaml").write_text(policy(options.denied))
        with open(directory / "log", "wb") as log:
            quotad = subprocess.Popen(
                [BUILD / "quotad", "--listen", f"unix:{socket}", "--admin-listen", "off", "--policy",
                 directory / "policy.yaml", "--store", f"local://{directory}/state.db"], stderr=log,
                stdout=log)
        try:
            wait_for(lambda: socket.exists() or quotad.poll() is not None, "quotad")
            if quotad.poll() is not None:
                sys.exit((directory / "log").read_text())
            ask(socket, 1, options.in_flight)
            costs, rates = [], []
            for _ in range(options.rounds):
                before = cpu_us(quotad.pid)
                decided, over = ask(socket, options.seconds, options.in_flight)
                costs.append((cpu_us(quotad.pid) - before) / decided)
                rates.append(decided / options.seconds)
                if (over > decided / 2) != options.denied:
                    sys.exit(f"{over} of {decided} were refused: that is not what was to be measured")
        finally:
            quotad.terminate()
            quotad.wait()
    print(machine())
    print(f"{options.rounds} rounds of {options.seconds} s, {options.in_flight} in flight, "
          f"{'refused' if options.denied else 'allowed'}; median (lowest to highest)")
    print(f"quotad: {spread(costs)} µs of CPU per decision, {spread(rates)} decisions/s")


if __name__ == "__main__":
    main()
