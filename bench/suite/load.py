"""The two load generators: wrk, which asks as fast as it is answered, and the open loop."""

import json
import math
import re
import subprocess

from suite.contenders import HEADERS
from suite.placement import LOADING, on_cores
from suite.services import BUILD


def _headers(flag):
    return [word for name, value in HEADERS.items() for word in (flag, f"{name}: {value}")]


def _run(command, placement, url):
    done = subprocess.run(on_cores(LOADING[placement], [*command, url]), capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed at {url}: {done.stderr.strip()}")
    return done.stdout


def _number(pattern, text):
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def saturate(url, connections, seconds, placement):
    """wrk knows whole seconds only."""
    text = _run(["wrk", "-t1", f"-c{connections}", f"-d{math.ceil(seconds)}s", *_headers("-H")],
                placement, url)
    broken = re.search(r"errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return {"requests": _number(r"(\d+) requests in", text),
            "requests_s": float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1]),
            "errors": _number(r"Non-2xx or 3xx responses: (\d+)", text)
                      + sum(map(int, broken.groups() if broken else ()))}


def constant(url, rate, seconds, placement, connections):
    """At `rate`, late or not; latencies count from when a request should have been sent. Pinned,
    the client has a core of its own and need not sleep: else its own waking up is most of p50."""
    alone = ["--spin"] if placement == "pinned" else []
    found = json.loads(_run(
        [BUILD / "bench" / "quota_open_loop", "--rate", rate, "--seconds", seconds,
         "--connections", connections, *alone, *_headers("--header")], placement, url))
    return {"requests": found["requests"] - found["unanswered"],
            "requests_s": found["rate_reached"],
            "errors": found["errors"] + found["not_2xx"],
            "unanswered": found["unanswered"],
            **{name: found[name] for name in ("p50_us", "p99_us", "p99_9_us", "max_us",
                                              "own_lateness_p99_us")}}
