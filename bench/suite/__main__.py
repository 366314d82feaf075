"""bench/run.sh: prepares, measures, and writes down what was seen."""

import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path

from suite import (contenders, figures, memory, placement, plot, prepare, records, report, rounds,
                   scaling)
from suite.arguments import parse


def _placements():
    if len(placement.CORES) > 1:
        return list(placement.SERVING)
    print("run.sh: only one core may be used here, so nothing is measured pinned", file=sys.stderr)
    return ["free"]


def measure(options, directory):
    begin = time.monotonic()
    plan = options.plan
    cells = plan.cells(_placements())
    measurements = options.rounds * len(options.only)
    progress = rounds.Progress(
        sum(cell.seconds(options.seconds) for cell in cells) * measurements
        + scaling.CELL.seconds(options.seconds) * options.rounds * scaling.count(plan.scaling))
    machine = prepare.machine()
    disturbance = prepare.Disturbance()
    with contextlib.ExitStack() as stack:
        scene = directory / "contenders"
        scene.mkdir()
        running = contenders.start_all(options.only, scene, stack)
        for contender in running.values():
            complaint = contender.verify()
            if complaint:
                raise SystemExit(complaint)
        idle = memory.of_processes(running)
        results, problems = rounds.run(running, cells, options.rounds, options.seconds, progress)
        loaded = memory.of_processes(running)
    scene = directory / "scaling"
    scene.mkdir()
    scaled = scaling.run(scene, plan.scaling, options.rounds, options.seconds, progress)
    machine.update(disturbance.parts())
    return {"format": 1, "mode": options.mode, "when": time.strftime("%Y-%m-%d %H:%M"),
            "rounds": options.rounds, "seconds": options.seconds,
            "took_s": round(time.monotonic() - begin), "machine": machine,
            "versions": prepare.versions(), "problems": problems,
            "noise": figures.noise(results), "cells": results,
            "memory": {"idle": idle, "loaded": loaded}, "scaling": scaled}


def write(options, result, before):
    text = report.markdown(result, before)
    options.out.mkdir(parents=True, exist_ok=True)
    as_json = records.dumps(result)
    (options.out / "result.json").write_text(as_json)
    (options.out / "result.md").write_text(text)
    (options.out / "plot.svg").write_text(plot.svg(result))
    if options.json:
        options.json.write_text(as_json)
    print(text)
    print(f"run.sh: written to {options.out}", file=sys.stderr)


def main(words):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = parse(words)
    before = records.read(options.against)
    prepare.build()
    with tempfile.TemporaryDirectory(prefix="quota-bench-") as directory:
        result = measure(options, Path(directory))
    write(options, result, before)
    return 1 if result["problems"] else 0


try:
    sys.exit(main(sys.argv[1:]))
except KeyboardInterrupt:
    sys.exit(130)
except SystemExit as end:
    if isinstance(end.code, str):
        print(f"run.sh: {end.code}", file=sys.stderr)
        sys.exit(1)
    raise
except OSError as fault:
    sys.exit(f"run.sh: {fault}")
