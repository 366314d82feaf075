"""A real quotad, and everything that can be asked of it."""

import contextlib
import hashlib
import json
import queue
import re
import signal
import threading
import urllib.error
import urllib.request

import grpc
from quota.v1 import quota_pb2

from harness import environment
from harness.environment import PATIENCE
from harness.ports import ADDRESS, accepts, accepts_unix, free_port
from harness.process import Process, run, wait_until

ADMIN_TOKEN = "e2e-admin-token-0b9d"
SERVICE = "/quota.v1.QuotaService/"


def key_hash(key):
    return hashlib.sha256(key.encode()).hexdigest()


def consumer(name, tier="free", key=None, **more):
    """An entry of the policy's list of consumers; its key is <name>-key unless given."""
    return {"id": name, "tier": tier, "api_keys_sha256": [key_hash(key or f"{name}-key")], **more}


def policy(consumers=(), **changes):
    """The policy of the design, with sections replaced. JSON is YAML."""
    sections = {
        "version": 1,
        "burst": 1.5,
        "default_tier": "free",
        "default_cost": 1.0,
        "tiers": {
            "free": {"requests_per_minute": 100, "monthly_quota": 50000},
            "pro": {"requests_per_minute": 1000, "monthly_quota": 1000000},
            "enterprise": {"unlimited": True},
        },
        "endpoints": [
            {"method": "OPTIONS", "path": "*", "cost": 0},
            {"path": "/identify", "cost": 1.0},
            {"path": "/compare", "cost": 2.0},
            {"path": "/batch", "cost": 1.0},
            {"path": "/health", "cost": 0},
        ],
        "anonymous": {"requests_per_minute": 30},
    }
    sections.update(changes)
    if consumers:
        sections["consumers"] = list(consumers)
    return json.dumps({name: value for name, value in sections.items() if value is not None},
                      indent=1)


class Metrics:
    """What a /metrics page says."""

    _LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
    _LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.text = text
        self.samples = []
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            match = self._LINE.match(line)
            assert match, f"not a line of Prometheus text: {line!r}"
            labels = dict(self._LABEL.findall(match[2] or ""))
            self.samples.append((match[1], labels, float(match[3])))

    def names(self):
        return {name for name, _, _ in self.samples}

    def sum(self, name, **labels):
        """Of all samples of this name whose labels include these."""
        return sum(value for found, has, value in self.samples
                   if found == name and labels.items() <= has.items())


class Decide:
    """One stream of decisions, as a gateway's worker holds it."""

    def __init__(self, call, requests):
        self._call = call
        self._requests = requests

    def send(self, *checks):
        self._requests.put(quota_pb2.DecideRequest(checks=checks))

    def send_bytes(self, message):
        self._requests.put(message)

    def receive(self):
        """The next DecideResponse."""
        return next(self._call)

    def receive_verdicts(self, count):
        """Verdicts by id, from as many responses as it takes."""
        verdicts = {}
        while len(verdicts) < count:
            for verdict in self.receive().verdicts:
                assert verdict.id not in verdicts, f"two verdicts for the check {verdict.id}"
                verdicts[verdict.id] = verdict
        return verdicts

    def finish(self):
        """No more requests. Returns what still comes."""
        self._requests.put(None)
        return list(self._call)

    def cancel(self):
        self._requests.put(None)
        self._call.cancel()


def _to_bytes(message):
    return message if isinstance(message, bytes) else message.SerializeToString()


class Client:
    """Speaks quota.v1 to an address as quota_pass writes it. Works with any message as bytes."""

    def __init__(self, address):
        # A subchannel of its own: one that failed to connect would otherwise be shared, back-off
        # included, with the next client of the same address.
        self.channel = grpc.insecure_channel(
            address, options=[("grpc.use_local_subchannel_pool", 1),
                              ("grpc.max_receive_message_length", -1)])

    def check(self, **fields):
        return self.call(SERVICE + "Check", quota_pb2.CheckRequest(check=quota_pb2.Check(**fields)),
                         quota_pb2.Verdict)

    def call(self, method, message, answer=None, timeout=PATIENCE):
        stub = self.channel.unary_unary(
            method, request_serializer=_to_bytes,
            response_deserializer=answer.FromString if answer else None)
        return stub(message, timeout=timeout, wait_for_ready=True)

    def stream(self, method, messages, timeout=PATIENCE):
        stub = self.channel.stream_stream(method, request_serializer=_to_bytes)
        return stub(iter(messages), timeout=timeout, wait_for_ready=True)

    @contextlib.contextmanager
    def decide(self, timeout=60):
        requests = queue.SimpleQueue()
        stub = self.channel.stream_stream(
            SERVICE + "Decide", request_serializer=_to_bytes,
            response_deserializer=quota_pb2.DecideResponse.FromString)
        call = stub(iter(requests.get, None), timeout=timeout, wait_for_ready=True)
        stream = Decide(call, requests)
        try:
            yield stream
        finally:
            stream.cancel()

    def close(self):
        self.channel.close()


class Quotad:
    """Starts on a unix socket in the test's directory, with an admin port of its own and the policy
    of the design, unless told otherwise. A store in Redis gets a journal of its own, unless that
    is not wanted."""

    def __init__(self, workdir, policy_text=None, *, listen=None, store=None, flags=(),
                 token=ADMIN_TOKEN, variables=None, store_timeout_ms=20000, journal=True,
                 name="quotad"):
        self.directory = workdir / name
        self.directory.mkdir()
        self.socket_path = self.directory / "quota.sock"
        self.store_path = self.directory / "state.db"
        self.policy_path = self.directory / "policy.yaml"
        self.set_policy(policy() if policy_text is None else policy_text)
        self.address = listen or f"unix:{self.socket_path}"
        self.admin = f"http://{ADDRESS}:{free_port()}"
        self.process = None
        self.store = store or f"local://{self.store_path}"
        self.journal_path = self.directory / "journal.db"
        self._workdir = workdir
        # A busy disk should make a test slow, and not its decisions degraded.
        self._flags = ["--store-timeout-ms", store_timeout_ms, *flags]
        if not self.store.startswith("local:"):
            self._flags += ["--store-journal", self.journal_path if journal else "off"]
        self._token = token
        self._variables = variables or {}
        self._clients = []

    @property
    def admin_address(self):
        """Host and port."""
        return self.admin.removeprefix("http://")

    @property
    def usage_journal_path(self):
        return self.journal_path.with_name("journal.db.usage")

    def set_policy(self, text):
        """Replaces the file in one step, as an editor does."""
        new = self.policy_path.with_suffix(".new")
        new.write_text(text)
        new.rename(self.policy_path)

    def command(self):
        return [environment.built("quotad"), "--listen", self.address,
                "--admin-listen", self.admin_address,
                *([] if "QUOTAD_STORE" in self._variables else ["--store", self.store]),
                "--policy", self.policy_path, *self._flags]

    def environment(self):
        token = {"QUOTAD_ADMIN_TOKEN": self._token} if self._token else {}
        return {**environment.sanitizer_environment(self._workdir, "quotad"), **token,
                **self._variables}

    def launch(self):
        """Starts it without waiting for anything."""
        self.process = Process("quotad", self.command(), self.directory / "quotad.log",
                               self.environment())
        return self

    def start(self):
        return self.launch().wait_until_ready()

    def wait_until_ready(self):
        wait_until(lambda: not self.process.is_running() or self._is_ready(), "quotad is ready")
        assert self.process.is_running(), f"quotad did not start:\n{self.log()}"
        return self

    def run_to_the_end(self):
        """For a quotad that is to refuse its start: its exit code and what it says."""
        process = self.launch().process
        code = process.wait()
        self.process = None
        return code, process.log()

    def _is_ready(self):
        if self.address.startswith("unix:"):
            listening = accepts_unix(self.address.removeprefix("unix:"))
        else:
            host, port = self.address.rsplit(":", 1)
            listening = accepts(host, int(port))
        return listening and self.get("/readyz")[0] == 200

    # -- gRPC

    def client(self):
        client = Client(self.address)
        self._clients.append(client)
        return client

    def check(self, **fields):
        """One decision over a connection that stays open."""
        if not self._clients:
            self.client()
        return self._clients[0].check(**fields)

    # -- admin API

    def ask(self, method, path, body=None, token=ADMIN_TOKEN):
        """Status, headers and body. Status 0: nobody answers."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.admin + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, response.headers, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()
        except OSError:
            return 0, {}, ""

    def get(self, path):
        status, _, body = self.ask("GET", path)
        return status, body

    def get_json(self, path):
        status, body = self.get(path)
        assert status == 200, f"GET {path}: {status} {body}"
        return json.loads(body)

    def metrics(self):
        status, body = self.get("/metrics")
        assert status == 200, f"GET /metrics: {status} {body}"
        return Metrics(body)

    # -- life

    def log(self):
        return self.process.log() if self.process else ""

    def hup(self):
        self.process.send(signal.SIGHUP)

    def terminate(self):
        self.process.send(signal.SIGTERM)

    def stop(self):
        """A clean stop. Fails as well when quotad has ended before, and not by a clean stop."""
        if self.process is None:
            return
        self.close_clients()
        process, self.process = self.process, None
        try:
            code = process.stop()
            assert code == 0, f"quotad ended with {code}:\n{process.log()}"
        finally:
            process.kill()

    def kill(self):
        """As a crash or kill -9 does: nothing is said, nothing is saved."""
        self.close_clients()
        if self.process is not None:
            self.process.kill()
            self.process = None

    def close_clients(self):
        for client in self._clients:
            client.close()
        self._clients.clear()

    # -- quotactl

    def ctl_command(self, *words):
        """quotactl, asking this quotad's admin API."""
        return [environment.built("quotactl"), "--admin", self.admin,
                *(str(word) for word in words)]

    def ctl_environment(self, token=ADMIN_TOKEN, **variables):
        """What quotactl must be given besides the environment of the tests."""
        given = {"QUOTACTL_TOKEN": token} if token else {}
        return {**environment.sanitizer_environment(self._workdir, "quotactl"), **given,
                **variables}

    def ctl(self, *words, token=ADMIN_TOKEN, stdin=None, **variables):
        """Runs quotactl to its end."""
        return run(self.ctl_command(*words), self.ctl_environment(token, **variables), stdin=stdin)


class Background:
    """Runs a function again and again in threads until told to stop; keeps what it returns."""

    def __init__(self, function, threads=2):
        self.results = []
        self._stop = threading.Event()
        self._errors = []
        self._threads = [threading.Thread(target=self._run, args=(function,), daemon=True)
                         for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, function):
        try:
            while not self._stop.is_set():
                self.results.append(function())
        except Exception as error:  # pylint: disable=broad-except
            self._errors.append(error)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]
        return self.results
