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

from measuring import machine, spread
from suite.contenders import POLICY, Gateway, quota_part, start_upstream
from suite.figures import own_cpu
from suite.placement import SERVING
from suite.plan import Cell
from suite.rounds import measure
from suite.services import Scene


def words(directory):
    return {"nothing": ["--usage", "off", "--events", "off", "--log-denials", "false"],
            "usage and events": ["--usage", "on", "--events", "file", "--events-file",
                                 directory / "events.jsonl", "--events-sample", "0.1",
                                 "--log-denials", "true"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--pinned", action="store_true")
    options = parser.parse_args()
    cell = Cell("pinned" if options.pinned else "free", "static", options.connections)
    with tempfile.TemporaryDirectory(prefix="quota-bench-") as name, Scene(Path(name)) as scene:
        upstream = start_upstream(scene)
        gateways = {}
        for number, (kind, more) in enumerate(words(scene.directory).items()):
            quotad = scene.quotad(f"quotad-{number}", POLICY, None, words=more)
            gateways[kind] = Gateway(str(number), scene, upstream, quota_part(quotad))
            gateways[kind].move(SERVING[cell.placement])
            measure(gateways[kind], cell, 1)  # warm-up
        rows = {kind: [] for kind in gateways}
        for _ in range(options.rounds):
            for kind, gateway in gateways.items():
                rows[kind].append(measure(gateway, cell, options.seconds))

    print(machine())
    print(f"{options.rounds} interleaved rounds of {options.seconds} s, {options.connections} "
          f"connections, {cell.placement}; median (lowest to highest)\n")
    print("| kept of a decision | worker µs/request | quotad µs/request | both |")
    print("| --- | --- | --- | --- |")
    for kind, values in rows.items():
        print(f"| {kind} | {spread([v['cpu_us']['nginx'] for v in values])} "
              f"| {spread([v['cpu_us']['quotad'] for v in values])} "
              f"| {spread([own_cpu(v) for v in values])} |")
    ratios = [own_cpu(on) / own_cpu(off) for off, on in zip(*rows.values())]
    print(f"\nKeeping costs {100 * (statistics.median(ratios) - 1):+.1f} % of a request's CPU "
          f"({100 * (min(ratios) - 1):+.1f} to {100 * (max(ratios) - 1):+.1f}).")


if __name__ == "__main__":
    main()
