#!/usr/bin/env python3
"""What it costs to keep something of each decision: usage, events and logged denials, on and off.

    bench/kept.py [--rounds 9] [--seconds 3] [--connections 64] [--pinned]

Starts two nginx, each with a quotad of its own: one quotad keeps nothing but its metrics, the other
meters usage and writes events of a tenth of what it allows. wrk asks them in turn. CPU is what the
kernel charged to the worker and to quotad.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from gateway import Gateway
from measuring import machine, spread

OFF = ["--usage", "off", "--events", "off", "--log-denials", "false"]


def kept(directory):
    return ["--usage", "on", "--events", "file", "--events-file", directory / "events.jsonl",
            "--events-sample", "0.1", "--log-denials", "true"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--pinned", action="store_true")
    options = parser.parse_args()
    rows = {"nothing": [], "usage and events": []}
    with tempfile.TemporaryDirectory(prefix="quota-bench-") as name:
        off, on = Path(name) / "off", Path(name) / "on"
        off.mkdir()
        on.mkdir()
        gateways = {"nothing": Gateway(off, options.pinned, OFF),
                    "usage and events": Gateway(on, options.pinned, kept(on))}
        try:
            for gateway in gateways.values():
                gateway.load("/quota", options.connections, 1)
            for _ in range(options.rounds):
                for kind, gateway in gateways.items():
                    rows[kind].append(
                        gateway.measure("/quota", options.connections, options.seconds)[1:])
        finally:
            for gateway in gateways.values():
                gateway.stop()

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
