"""The words that run.sh understands."""

import argparse
import re
from pathlib import Path

from suite.contenders import KINDS
from suite.figures import BASE
from suite.plan import PLANS
from suite.services import REPO

RESULTS = REPO / "bench" / "results"
LATEST = RESULTS / "latest" / "result.json"

_ABOUT = """
Measures what a request pays for quotagate, beside plain nginx, limit_req, auth_request to a local
server, and Lua + Redis, in interleaved rounds. Builds and starts all it needs on free ports and
unix sockets, and stops it.

  quick   about 2 minutes: c=64 and 5,000 requests/s, a static answer
  full    about 25 minutes: c=1 to 256, 1,000 to 20,000 requests/s, static and proxied, and more
          nginx workers and threads of quotad
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"run.sh: {message}; try --help\n")


def _contenders(text):
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in KINDS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"there is no contender '{unknown[0] if unknown else text}', only "
            + ", ".join(KINDS))
    return [name for name in KINDS if name in (BASE, *names)]


def _rounds(text):
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of rounds from 1 to 999")
    return int(text)


def _seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0.1 <= value <= 600:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds from 0.1 to 600")
    return value


def _name(text):
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a name of letters, digits, . _ and -")
    return text


def parser():
    result = _Parser(prog="bench/run.sh", description=_ABOUT,
                     formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    result.add_argument("mode", nargs="?", default="quick", choices=PLANS,
                        help="quick where none is given")
    result.add_argument("--only", type=_contenders, default=list(KINDS), metavar="A,B",
                        help=f"these contenders, and {BASE}, with which all are compared: "
                        + ", ".join(KINDS))
    result.add_argument("--rounds", type=_rounds, metavar="N", help="of each measurement")
    result.add_argument("--seconds", type=_seconds, metavar="S",
                        help="of one measurement; wrk rounds it up to whole seconds")
    result.add_argument("--out", type=Path, metavar="DIR",
                        help="where result.json, result.md and plot.svg are put; build/bench/MODE "
                        "where nothing is said")
    result.add_argument("--save", type=_name, metavar="NAME",
                        help="puts them into bench/results/NAME instead")
    result.add_argument("--json", type=Path, metavar="FILE", help="writes result.json here too")
    result.add_argument("--against", type=Path, metavar="FILE", default=LATEST,
                        help="the result.json to compare with; that of bench/results/latest where "
                        "nothing is said")
    return result


def parse(words):
    options = parser().parse_args(words)
    if options.out and options.save:
        parser().error("--out and --save both say where the result goes; give one of them")
    if options.save:
        options.out = RESULTS / options.save
    elif not options.out:
        options.out = REPO / "build" / "bench" / options.mode
    if options.against != LATEST and not options.against.is_file():
        parser().error(f"there is no file {options.against} to compare with")
    plan = PLANS[options.mode]
    options.rounds = options.rounds or plan.rounds
    options.seconds = options.seconds or plan.seconds
    options.plan = plan
    return options
