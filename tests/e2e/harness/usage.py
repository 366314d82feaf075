"""Clients that count for themselves what they have used, and what quotad says that they have."""

import collections
import contextlib
import dataclasses
import datetime
import threading
import time

import grpc
from quota.v1 import quota_pb2

from harness.environment import PATIENCE
from harness.ports import accepts_unix
from harness.process import wait_until
from harness.quotad import Client

_REFUSED = (quota_pb2.DENIED, quota_pb2.UNAUTHENTICATED)


@dataclasses.dataclass(frozen=True)
class Used:
    requests: int = 0
    cost_milli: int = 0
    denials: int = 0

    def __add__(self, more):
        return Used(self.requests + more.requests, self.cost_milli + more.cost_milli,
                    self.denials + more.denials)

    def __sub__(self, less):
        return Used(self.requests - less.requests, self.cost_milli - less.cost_milli,
                    self.denials - less.denials)

    def covers(self, other):
        return (self.requests >= other.requests and self.cost_milli >= other.cost_milli
                and self.denials >= other.denials)


def used_by(verdict, hits=1):
    if verdict.outcome in _REFUSED:
        return Used(hits, 0, hits)
    return Used(hits, verdict.cost_milli, 0)


class Account:
    """What clients were told, by consumer ("" for anonymous) and endpoint."""

    def __init__(self):
        self._entries = []  # when, key, what
        self._sent = collections.Counter()
        self._lock = threading.Lock()

    def sent(self, consumer, hits):
        """Before it is known what becomes of it."""
        with self._lock:
            self._sent[consumer] += hits

    def told(self, verdict, hits=1):
        key = (verdict.consumer.decode(), verdict.endpoint)
        with self._lock:
            self._entries.append((time.monotonic(), key, used_by(verdict, hits)))

    def sums(self, until=float("inf")):
        sums = collections.defaultdict(Used)
        with self._lock:
            for when, key, used in self._entries:
                if when <= until:
                    sums[key] += used
        return dict(sums)

    def requests(self):
        return sum(used.requests for used in self.sums().values())

    def requests_sent(self):
        """By consumer, whether they were answered or not."""
        with self._lock:
            return dict(self._sent)


class Users:
    """Each asks one quotad, a batch after the other, until told to stop; quotads may come and go.
    `checks` are keyword arguments of Check; the consumer is that of the API key <name>-key."""

    def __init__(self, quotads, checks, account=None, pause=0.005):
        self.account = account or Account()
        self._checks = checks
        self._pause = pause
        self._ending = threading.Event()
        self._errors = []
        self._threads = [threading.Thread(target=self._run, args=(quotad,), daemon=True)
                         for quotad in quotads]
        for thread in self._threads:
            thread.start()

    def _run(self, quotad):
        try:
            while not self._ending.is_set():
                if accepts_unix(quotad.socket_path):
                    self._talk(quotad)
                self._ending.wait(0.002)
        except Exception as error:  # pylint: disable=broad-except
            self._errors.append(error)

    def _talk(self, quotad):
        client = Client(quotad.address)
        with contextlib.suppress(grpc.RpcError, StopIteration), client.decide(timeout=600) as stream:
            while not self._ending.is_set():
                checks = [quota_pb2.Check(id=number, **check)
                          for number, check in enumerate(self._checks)]
                for check in checks:
                    self.account.sent(check.api_key.decode().removesuffix("-key"), check.hits or 1)
                stream.send(*checks)
                missing = set(range(len(checks)))
                while missing:
                    for verdict in stream.receive().verdicts:
                        missing.remove(verdict.id)
                        self.account.told(verdict, checks[verdict.id].hits or 1)
                self._ending.wait(self._pause)
        client.close()

    def wait_for(self, requests):
        """Until so many more have been answered."""
        goal = self.account.requests() + requests
        wait_until(lambda: self._errors or self.account.requests() >= goal,
                   f"{requests} requests are answered")

    def wait_until_told_before(self, requests, seconds):
        """Until so many were answered that long ago. Returns when that was."""
        def cut():
            at = time.monotonic() - seconds
            told = sum(used.requests for used in self.account.sums(until=at).values())
            return at if self._errors or told >= requests else None
        return wait_until(cut, f"{requests} requests were answered {seconds} s ago")

    def stop(self):
        self._ending.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a client still waits for its answer"
        if self._errors:
            raise self._errors[0]
        return self.account

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ending.set()


def months():
    """This one, and the one before, in case a test began in that."""
    first = datetime.datetime.now(datetime.timezone.utc).date().replace(day=1)
    return [f"{(first - datetime.timedelta(days=1)):%Y-%m}", f"{first:%Y-%m}"]


def entries(quotad, limit=1000, **query):
    """All that /v1/usage says, page by page."""
    words = "".join(f"&{name}={value}" for name, value in query.items())
    found = []
    after = ""
    while True:
        page = quotad.get_json(f"/v1/usage?limit={limit}{words}{after}")
        found += page["usage"]
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


def sums_of(found):
    sums = collections.defaultdict(Used)
    for entry in found:
        sums[entry["consumer"] or "", entry["endpoint"]] += Used(
            entry["requests"], round(entry["cost"] * 1000), entry["denials"])
    return dict(sums)


def kept(quotad, **query):
    """By consumer and endpoint, as Account.sums()."""
    return sums_of([entry for month in months() for entry in entries(quotad, month=month, **query)])


def wait_until_kept(quotad, account):
    """Exactly what the clients were told, to the last unit."""
    expected = account.sums()
    wait_until(lambda: quotad.get("/v1/usage")[0] == 200, "the store answers")
    try:
        wait_until(lambda: kept(quotad) == expected, "the sums are equal", timeout=15)
    except AssertionError:
        assert kept(quotad) == expected
        raise


def difference(sums, before):
    return {key: used - before.get(key, Used()) for key, used in sums.items()}


def assert_kept_between(found, least, requests_sent):
    """Nothing that was told by then is missing, and nobody used more than was asked for."""
    for key, used in least.items():
        assert found.get(key, Used()).covers(used), (key, found.get(key), used)
    by_consumer = collections.Counter()
    for (consumer, _), used in found.items():
        by_consumer[consumer] += used.requests
    for consumer, requests in by_consumer.items():
        assert requests <= requests_sent[consumer], consumer
