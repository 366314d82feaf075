#!/usr/bin/python3
"""What leases cost and what they give: three quotads, one Redis, one limit of 60,000 a minute.

    bench/leases.py [--seconds 12] [--quotads 3] [--lease-ttl-ms 2000] [--exact] [--json FILE]

Starts Redis and the quotads itself, on unix sockets, and stops them. Demand is steady, over a
Decide stream per quotad, at 90 %, 150 % and 1000 % of what the limit admits; above 100 % the bucket
is emptied first, so that what is measured is the limit and not the burst. Then 10,000 consumers
that nobody has seen before ask once each. Needs protoc and Debian's python3-grpcio.
"""

import argparse
import collections
import contextlib
import hashlib
import itertools
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from measuring import cpu_us, free_port, machine, wait_for

REPO = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("QUOTA_BUILD_DIR", REPO / "build" / "release"))
LIMIT = 60_000
RATE = LIMIT / 60
COLD = 10_000
DEMANDS = [("90 %", 0.9), ("150 %", 1.5), ("1000 %", 10.0)]
WARM_UP = 2.0

POLICY = {
    "version": 1,
    "burst": 1.5,
    "default_tier": "bench",
    "tiers": {"bench": {"requests_per_minute": LIMIT, "monthly_quota": 10**12}},
    "endpoints": [{"path": "/identify", "cost": 1.0}],
    "identity": {"trust": ["consumer"]},
    "consumers": [{"id": name, "tier": "bench",
                   "api_keys_sha256": [hashlib.sha256(f"{name}-key".encode()).hexdigest()]}
                  for name in (f"steady-{number}" for number in range(len(DEMANDS)))],
    "store_lost": "deny",
}


# -- the load, in a process per quotad, so that Python's clients do not wait for each other


class Client:
    def __init__(self, address):
        # Only here: a gRPC that was used before a fork does not survive it.
        import grpc  # pylint: disable=import-outside-toplevel
        from quota.v1 import quota_pb2  # pylint: disable=import-outside-toplevel
        import queue  # pylint: disable=import-outside-toplevel
        self.pb = quota_pb2
        self._requests = queue.SimpleQueue()
        channel = grpc.insecure_channel(address)
        self._call = channel.stream_stream(
            "/quota.v1.QuotaService/Decide", request_serializer=lambda message: message,
            response_deserializer=quota_pb2.DecideResponse.FromString)(
                iter(self._requests.get, None), wait_for_ready=True)

    def message(self, checks):
        return self.pb.DecideRequest(checks=[
            self.pb.Check(id=number, method="GET", path=b"/identify", **check)
            for number, check in enumerate(checks)]).SerializeToString()

    def ask(self, message, count):
        """Yields a time and verdicts as they come, until all have come."""
        self._requests.put(message)
        while count:
            verdicts = next(self._call).verdicts
            count -= len(verdicts)
            yield time.monotonic(), verdicts

    def close(self):
        self._requests.put(None)


def empty_the_bucket(client, key):
    """Of as much as one check can take, and then of the crumbs."""
    for hits in (10_000, 1_000, 100, 10):
        message = client.message([{"api_key": key, "hits": hits}])
        while any(verdict.outcome == client.pb.ALLOWED
                  for _, verdicts in client.ask(message, 1) for verdict in verdicts):
            pass


def drive(client, messages, pause, seconds, record):
    """Sends messages, given with the number of their checks, at a steady pace."""
    begin = time.monotonic()
    due = begin
    for message, batch in messages:
        if time.monotonic() - begin > seconds:
            break
        time.sleep(max(0, due - time.monotonic()))
        sent = time.monotonic()
        for answered, verdicts in client.ask(message, batch):
            if record is not None:
                record["waits"].append((answered - sent, len(verdicts)))
                for verdict in verdicts:
                    record["allowed"] += verdict.outcome == client.pb.ALLOWED
                    record["degraded"] += verdict.degraded
        due = max(due + pause, time.monotonic() - pause)
    return time.monotonic() - begin


def steady(address, ready, start, results, key, rate, empty, seconds):
    """`rate` checks a second: small batches, up to 50 checks where that is needed to keep up."""
    client = Client(address)
    batch = max(1, min(50, round(rate * 0.01)))
    message = client.message([{"api_key": key}] * batch)
    if empty:
        empty_the_bucket(client, key)
    endless = itertools.repeat((message, batch))
    drive(client, endless, batch / rate, WARM_UP, None)
    record = {"waits": [], "allowed": 0, "degraded": 0}
    ready.wait()
    start.wait()
    record["seconds"] = drive(client, endless, batch / rate, seconds, record)
    results.put(record)
    client.close()


def cold(address, ready, start, results, names, rate, seconds):
    """Each name once, in batches of 10."""
    client = Client(address)
    parts = [names[first:first + 10] for first in range(0, len(names), 10)]
    messages = [(client.message([{"consumer": name.encode()} for name in part]), len(part))
                for part in parts]
    drive(client, [(client.message([{"consumer": b"warm"}]), 1)], 0, 60, None)
    record = {"waits": [], "allowed": 0, "degraded": 0}
    ready.wait()
    start.wait()
    record["seconds"] = drive(client, messages, 10 / rate, seconds, record)
    results.put(record)
    client.close()


# -- what is measured


class Counters:
    """Of Redis and of all quotads, at one moment."""

    def __init__(self, world):
        self.scripts = self.commands = 0
        for line in world.redis("INFO", "commandstats").splitlines():
            match = re.match(r"cmdstat_([^:]+):calls=(\d+)", line)
            if match:
                self.commands += int(match[2])
                self.scripts += int(match[2]) if match[1] in ("eval", "evalsha") else 0
        self.requests = collections.Counter()
        self.durations = collections.Counter()
        for admin in world.admins:
            with urllib.request.urlopen(f"http://{admin}/metrics", timeout=10) as page:
                text = page.read().decode()
            for op, result, value in re.findall(
                    r'^quota_store_requests_total\{op="(\w+)",result="(\w+)"\} (\S+)', text, re.M):
                self.requests[f"{op} {result}"] += float(value)
            for bound, value in re.findall(
                    r'^quota_decision_duration_seconds_bucket\{le="([^"]+)"\} (\S+)', text, re.M):
                self.durations[float(bound)] += float(value)
        self.redis_cpu = cpu_us(world.redis_process.pid)
        self.quotad_cpu = sum(cpu_us(process.pid) for process in world.quotads)


def quantile(waits, part):
    """Of pairs of a time and how many waited so long."""
    waits = sorted(waits)
    total = sum(count for _, count in waits)
    seen = 0
    for wait, count in waits:
        seen += count
        if seen >= part * total:
            return wait
    return float("nan")


def bucket_quantile(before, after, part):
    """The upper bound of the histogram's bucket in which it lies."""
    counts = {bound: after[bound] - before[bound] for bound in after}
    total = counts.get(float("inf"), 0)
    return next((bound for bound in sorted(counts) if counts[bound] >= part * total), float("nan"))


def measure(world, name, work, arguments):
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(len(arguments) + 1)
    start = context.Barrier(len(arguments) + 1)
    results = context.Queue()
    workers = [context.Process(target=work, daemon=True,
                               args=(address, ready, start, results, *more))
               for address, more in zip(world.addresses, arguments)]
    for worker in workers:
        worker.start()
    ready.wait(30)
    before = Counters(world)
    start.wait(60)
    records = [results.get(timeout=120) for _ in workers]
    after = Counters(world)
    for worker in workers:
        worker.join()
    waits = [wait for record in records for wait in record["waits"]]
    decisions = sum(count for _, count in waits)
    seconds = max(record["seconds"] for record in records)
    admitted = sum(record["allowed"] for record in records)
    return {
        "demand": name, "seconds": seconds, "decisions": decisions, "admitted": admitted,
        "degraded": sum(record["degraded"] for record in records),
        "decisions_per_second": decisions / seconds,
        "utilisation": admitted / (RATE * seconds),
        "script_calls_per_decision": (after.scripts - before.scripts) / decisions,
        "redis_commands_per_decision": (after.commands - before.commands) / decisions,
        "store_requests": dict(+(after.requests - before.requests)),
        "p50_ms": quantile(waits, 0.5) * 1000, "p99_ms": quantile(waits, 0.99) * 1000,
        "p99_in_quotad_ms": bucket_quantile(before.durations, after.durations, 0.99) * 1000,
        "redis_cpu_us": (after.redis_cpu - before.redis_cpu) / decisions,
        "quotad_cpu_us": (after.quotad_cpu - before.quotad_cpu) / decisions,
    }


# -- what it is measured on


class World:
    def __init__(self, directory, options):
        self._socket = directory / "redis.sock"
        self._processes = contextlib.ExitStack()
        self.redis_process = self._run(
            "redis-server", "--port", "0", "--unixsocket", self._socket, "--save", "",
            "--dir", directory, log=directory / "redis.log")
        wait_for(self._socket.exists, "Redis")
        policy = directory / "policy.yaml"
        policy.write_text(json.dumps(POLICY))
        self.addresses, self.admins, self.quotads = [], [], []
        for number in range(options.quotads):
            path = directory / f"quota-{number}.sock"
            admin = f"127.0.0.1:{free_port()}"
            self.quotads.append(self._run(
                BUILD / "quotad", "--listen", f"unix:{path}", "--admin-listen", admin,
                "--policy", policy, "--store", f"redis+unix://{self._socket}",
                "--store-journal", directory / f"journal-{number}.db",
                "--store-lease-ttl-ms", str(options.lease_ttl_ms),
                f"--store-exact={'true' if options.exact else 'false'}", "--drain-timeout-ms", "0",
                log=directory / f"quotad-{number}.log"))
            self.addresses.append(f"unix:{path}")
            self.admins.append(admin)
            wait_for(path.exists, f"quotad (see {directory})")

    def _run(self, *command, log):
        with log.open("w") as output:
            process = subprocess.Popen([str(word) for word in command], stdout=output,
                                       stderr=subprocess.STDOUT)
        self._processes.callback(process.wait)
        self._processes.callback(process.send_signal, signal.SIGTERM)
        return process

    def redis(self, *words):
        return subprocess.run(["redis-cli", "-s", self._socket, *words], check=True,
                              capture_output=True, text=True).stdout

    def stop(self):
        self._processes.close()


def run(options, directory):
    world = World(directory, options)
    try:
        rows = []
        for number, (name, part) in enumerate(DEMANDS):
            share = RATE * part / options.quotads
            rows.append(measure(world, name, steady, [
                (f"steady-{number}-key".encode(), share, part > 1, options.seconds)
                for _ in range(options.quotads)]))
        names = [f"cold-{number}" for number in range(COLD)]
        rows.append(measure(world, f"{COLD:,} cold", cold, [
            (names[first::options.quotads], 2000 / options.quotads, 60)
            for first in range(options.quotads)]))
        # The limit is each one's own here.
        rows[-1]["utilisation"] = None
        return rows
    finally:
        world.stop()


def show(rows, options):
    print(machine())
    print(f"{options.quotads} quotads, one Redis, {LIMIT:,} a minute, {options.seconds} s each, "
          f"{'exact' if options.exact else f'leases of {options.lease_ttl_ms} ms'}\n")
    print("| demand | decisions/s | script calls per decision | commands per decision, those of scripts too "
          "| utilisation | p50 ms | p99 ms | p99 in quotad, ms | quotad µs/decision "
          "| Redis µs/decision | degraded |")
    print("| --- " * 11 + "|")
    for row in rows:
        used = "–" if row["utilisation"] is None else f"{100 * row['utilisation']:.2f} %"
        print(f"| {row['demand']} | {row['decisions_per_second']:,.0f} "
              f"| {row['script_calls_per_decision']:.4f} "
              f"| {row['redis_commands_per_decision']:.4f} "
              f"| {used} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} "
              f"| <= {row['p99_in_quotad_ms']:.3g} | {row['quotad_cpu_us']:.1f} "
              f"| {row['redis_cpu_us']:.1f} | {row['degraded']} |")
    print("\nWhat was leased when a measurement began is spent within it: hence more than 100 %.")
    print("\nRequests to the store, as the quotads count them:")
    for row in rows:
        print(f"- {row['demand']}: " + ", ".join(
            f"{count:,.0f} {kind}" for kind, count in sorted(row["store_requests"].items())))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--quotads", type=int, default=3)
    parser.add_argument("--lease-ttl-ms", type=int, default=2000)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quota-bench-") as directory:
        subprocess.run(["protoc", "-I", REPO / "proto", f"--python_out={directory}",
                        "quota/v1/quota.proto"], check=True)
        sys.path.insert(0, directory)  # also of the processes that ask
        rows = run(options, Path(directory))
    show(rows, options)
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
