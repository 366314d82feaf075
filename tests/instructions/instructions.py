#!/usr/bin/python3
"""How many instructions a check takes, against what it took when figures.json was written.

Runs quotad's decision path and the module's part of a request under callgrind: always the same
checks with the same seeds, so that the count is nearly the same on every machine that has the same
compiler. It fails when a check takes over 5 % more, and shows where; and when it takes over 5 %
less, because the figure is then to be committed: --update writes it.

A compiler that has no figure is measured, not judged (exit code 77).
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import callgrind

FIGURES = Path(__file__).with_name("figures.json")
TOLERANCE = 0.05
KEPT = 40     # functions of a breakdown that are committed
SHOWN = 15    # functions that are printed, of a breakdown or of a difference
CHECKS = 8000
SKIPPED = 77
FRAME = ("__libc_start", "main", "measured_batch", "count_instructions")  # not what is measured

SCENARIOS = {
    f"{what}, {batch} in a batch": [program, *arguments, str(batch)]
    for what, program, arguments in [
        ("quotad, trusted consumer", "quota_decide_instructions", ["consumer"]),
        ("quotad, API key", "quota_decide_instructions", ["api_key"]),
        ("quotad, a gateway's connection", "quota_decide_instructions", ["connection"]),
        ("module", "quota_module_instructions", []),
    ]
    for batch in (1, 8, 50)
}


def measure(programs, command):
    """Instructions per check: of all, and by function."""
    program, *arguments = command
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        # Nothing of the environment, which would move the stack.
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
             "--toggle-collect=*measured_batch*", programs / program, *arguments, str(CHECKS)],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, capture_output=True, text=True,
            timeout=120, check=False)
        if run.returncode != 0:
            sys.exit(f"{program} failed under valgrind:\n{run.stdout}{run.stderr}")
        with out.open() as lines:
            own, inclusive = callgrind.read(lines)
    total = sum(own.values())
    if total < CHECKS:
        sys.exit(f"callgrind counted {total} instructions for {CHECKS} checks: "
                 "measured_batch() was not found in the program")

    def largest(counts):
        named = {name: count for name, count in counts.items() if not name.startswith(FRAME)}
        top = sorted(named, key=named.get, reverse=True)
        return {name: round(named[name] / CHECKS, 1) for name in top}

    return {"instructions": round(total / CHECKS, 1), "own": largest(own),
            "inclusive": largest(inclusive)}


def first(counts, number):
    return dict(list(counts.items())[:number])


def growth(before, now):
    """What differs most between two breakdowns; of `before` only the largest are known."""
    changes = {name: now.get(name, 0) - count for name, count in before.items()}
    # What is not known was at most as large as the smallest that is.
    unknown = min(before.values(), default=0)
    changes |= {name: count - unknown for name, count in now.items()
                if name not in before and count > unknown}
    ordered = sorted(changes, key=lambda name: abs(changes[name]), reverse=True)
    return [(name, before.get(name), now.get(name, 0), changes[name])
            for name in ordered if abs(changes[name]) >= 1][:SHOWN]


def compare(name, committed, now):
    """True when the figure still holds; says what has changed otherwise."""
    change = now["instructions"] / committed["instructions"] - 1
    print(f"{name}: {now['instructions']:,.1f} instructions per check, "
          f"committed {committed['instructions']:,.1f} ({change:+.1%})")
    if abs(change) <= TOLERANCE:
        return True
    print("  It became faster: commit the new figure." if change < 0 else
          f"  That is more than {TOLERANCE:.0%} slower. If it has to be, commit the new figure.")
    for key, what in [("own", "of their own"), ("inclusive", "with all they call")]:
        print(f"  Functions that have changed most, in instructions {what}:")
        for function, before, after, by in growth(committed[key], now[key]):
            was = "not among the largest" if before is None else f"{before:,.1f}"
            print(f"    {by:+9,.1f}  {function}: {after:,.1f}, was {was}")
    return False


def show(name, now):
    print(f"{name}: {now['instructions']:,.1f} instructions per check")
    for function, count in first(now["own"], SHOWN).items():
        print(f"    {count:9,.1f} {now['inclusive'].get(function, 0):9,.1f}  {function}")


def update(compiler, figures, measured):
    figures[compiler] = {
        name: {"instructions": now["instructions"], "own": first(now["own"], KEPT),
               "inclusive": first(now["inclusive"], KEPT)}
        for name, now in measured.items()}
    FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=False) + "\n")
    print(f"Wrote the figures of {compiler} to {FIGURES}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True,
                        help="folder of quota_decide_instructions and quota_module_instructions")
    parser.add_argument("--compiler", required=True,
                        help="key of the figures: compiler-version-architecture")
    parser.add_argument("--update", action="store_true", help="write what is measured as figures")
    parser.add_argument("--show", action="store_true",
                        help="print the breakdowns: own and inclusive instructions by function")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed, so nothing was measured: apt install valgrind")
        return SKIPPED

    measured = {name: measure(options.programs.resolve(), command)
                for name, command in SCENARIOS.items()}
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if options.show:
        for name, now in measured.items():
            show(name, now)
    if options.update:
        update(options.compiler, figures, measured)
        return 0
    again = f"{Path(__file__).resolve()} --programs {options.programs.resolve()} " \
            f"--compiler {options.compiler} --update"
    committed = figures.get(options.compiler)
    if committed is None or committed.keys() != measured.keys():
        for name, now in measured.items():
            print(f"{name}: {now['instructions']:,.1f} instructions per check")
        if committed is not None:
            print(f"The figures of {options.compiler} are of other scenarios. To renew them:\n"
                  f"  {again}")
            return 1
        print(f"figures.json has none of {options.compiler}: measured, not judged. To add them:\n"
              f"  {again}")
        return SKIPPED
    held = [compare(name, committed[name], now) for name, now in measured.items()]
    if all(held):
        return 0
    print(f"\nTo commit what was measured:\n  {again}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
