"""Clients that ask several gateways at once, steadily, and enter every answer into a ledger."""

import collections
import contextlib
import http.client
import threading
import time

import grpc
from quota.v1 import quota_pb2

from harness.accounting import Entry, Ledger
from harness.client import Connection
from harness.environment import PATIENCE
from harness.ports import accepts_unix
from harness.process import wait_until
from harness.quotad import Client

_ALLOWED = (quota_pb2.ALLOWED, quota_pb2.EXEMPT)


class _Worker(threading.Thread):
    """Calls step() at a steady pace until told to stop. What has been missed is not made up for."""

    def __init__(self, pause):
        super().__init__(daemon=True)
        self._pause = pause
        self._ending = threading.Event()
        self.error = None

    def run(self):
        try:
            due = time.monotonic()
            while not self._ending.is_set():
                self.step()
                due = max(due + self._pause, time.monotonic() - self._pause)
                self._ending.wait(max(0, due - time.monotonic()))
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
        finally:
            self.leave()

    def step(self):
        raise NotImplementedError

    def leave(self):
        pass

    def end(self):
        self._ending.set()


class _StreamWorker(_Worker):
    """Over the Decide stream of one quotad, and when that ends over a new one."""

    def __init__(self, ledger, number, quotad, consumers, pause, batch, hits, path, restarts):
        super().__init__(pause)
        self._ledger = ledger
        self._number = number
        self._quotad = quotad
        self._batch = batch
        self._hits = hits
        self._path = path
        self._restarts = restarts
        self._consumers = consumers
        self._turn = 0
        self._client = None
        self._context = contextlib.ExitStack()
        self._stream = None
        self.broken = 0  # batches that were lost with their stream

    def _connect(self):
        socket_path = self._quotad.socket_path
        while not accepts_unix(socket_path):
            if self._ending.wait(0.002):
                return False
        self._client = Client(self._quotad.address)
        self._context.callback(self._client.close)
        self._stream = self._context.enter_context(self._client.decide(timeout=600))
        return True

    def step(self):
        if self._stream is None and not self._connect():
            return
        names = {}
        checks = []
        for number in range(self._batch):
            name = self._consumers[self._turn % len(self._consumers)]
            self._turn += 1
            names[number] = name
            checks.append(quota_pb2.Check(id=number, method="GET", path=self._path,
                                          api_key=f"{name}-key".encode(), hits=self._hits))
        sent = time.monotonic()
        try:
            self._stream.send(*checks)
            while names:
                response = self._stream.receive()
                self._enter(sent, time.monotonic(), response.verdicts, names)
        except (grpc.RpcError, StopIteration):
            if not self._restarts:
                raise
            self.broken += 1
            self.leave()

    def _enter(self, sent, answered, verdicts, names):
        alike = collections.defaultdict(lambda: [0, 0])
        for verdict in verdicts:
            name = names.pop(verdict.id)
            sums = alike[name, verdict.outcome in _ALLOWED, verdict.degraded, verdict.reason]
            sums[0] += verdict.cost_milli / 1000
            sums[1] += 1
        self._ledger.add(*(
            Entry(sent, answered, self._number, name, allowed, units, checks, degraded, reason)
            for (name, allowed, degraded, reason), (units, checks) in alike.items()))

    def leave(self):
        self._stream = None
        with contextlib.suppress(grpc.RpcError):
            self._context.close()
        self._context = contextlib.ExitStack()


class _HttpWorker(_Worker):
    """Over a kept-alive connection to one nginx, one request at a time."""

    def __init__(self, ledger, number, nginx, consumers, pause, path, cost):
        super().__init__(pause)
        self._ledger = ledger
        self._number = number
        self._consumers = consumers
        self._path = path
        self._cost = cost
        self._turn = 0
        self._connection = Connection(nginx)

    def step(self):
        name = self._consumers[self._turn % len(self._consumers)]
        self._turn += 1
        sent = time.monotonic()
        answer = self._connection.ask(self._path, key=f"{name}-key")
        self._ledger.add(entry_of(answer, sent, time.monotonic(), self._number, name, self._cost))

    def leave(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._connection.close()


def entry_of(answer, sent, answered, gateway, consumer, cost=1):
    """Of the answer of an nginx whose location has OUTCOMES."""
    outcome = answer.headers.get("X-Outcome", "")
    return Entry(sent, answered, gateway, consumer, answer.status == 200, cost,
                 reason=answer.headers.get("X-Reason") or outcome, status=answer.status)


# For a location: what the ledger wants to know of each answer.
OUTCOMES = """
    add_header X-Outcome $quota_outcome always;
    add_header X-Reason $quota_reason always;
"""


class Load:
    """Asks every gateway `rate` times a second until stopped, for these consumers in turn."""

    def __init__(self, workers, ledger):
        self.ledger = ledger
        self._workers = workers
        for worker in workers:
            worker.start()

    @classmethod
    def streams(cls, quotads, *consumers, rate, batch=10, hits=1, path=b"/identify", restarts=False,
                ledger=None):
        """Straight to the quotads. `rate` counts checks; each of them asks for `hits` units.
        `restarts`: quotads may come and go."""
        ledger = ledger or Ledger()
        return cls([_StreamWorker(ledger, number, quotad, consumers or ("acme",), batch / rate,
                                  batch, hits, path, restarts)
                    for number, quotad in enumerate(quotads)], ledger)

    @classmethod
    def http(cls, nginxes, *consumers, rate, connections=2, path="/identify", cost=1, ledger=None):
        """Through nginx."""
        ledger = ledger or Ledger()
        return cls([_HttpWorker(ledger, number, nginx, consumers or ("acme",), connections / rate,
                                path, cost)
                    for number, nginx in enumerate(nginxes) for _ in range(connections)], ledger)

    def wait_for(self, condition, what, timeout=PATIENCE):
        """While the load goes on. Ends early when a client of it has failed."""
        def seen():
            self._check()
            return condition()
        return wait_until(seen, what, timeout)

    def go_on(self, seconds):
        """For as long as that. This is what a rate is measured over, and no wait for anything."""
        end = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() >= end, "time passes", seconds + PATIENCE)

    def _check(self):
        for worker in self._workers:
            if worker.error:
                raise worker.error

    def stop(self):
        """Returns the ledger, when every answer is in it."""
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.join(PATIENCE)
            assert not worker.is_alive(), "a client still waits for its answer"
        self._check()
        return self.ledger

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
            return
        for worker in self._workers:
            worker.end()
