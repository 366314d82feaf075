"""Decision events: what they show, where they go, and who can follow them."""

import hashlib
import hmac
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from harness.client import ask
from harness.nginx import CHECKED
from harness.process import Process, wait_until
from harness.quotad import consumer, policy

CHECK = {"method": "GET", "path": b"/identify", "client_ip": bytes([10, 1, 2, 3])}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
FAST = ("--events-interval-ms", "10")
SECRET = "a-webhook-secret-of-the-tests"

PRICES = [{"path": "/identify", "cost": 1}]

# Three units a minute, ten a month.
SMALL = policy([consumer("acme", "small"), consumer("beta", "small")],
               tiers={"small": {"requests_per_minute": 3, "monthly_quota": 10}}, burst=1,
               default_tier="small", endpoints=PRICES)


def check(quotad, name="acme", **more):
    return quotad.check(**{**CHECK, "api_key": f"{name}-key".encode(), **more})


def deny(quotad, name="acme", **more):
    """Asks until it is denied, which is once if there is nothing left."""
    # Without a pause, in which tokens would drip in.
    assert any(check(quotad, name, **more).outcome == 2 for _ in range(100)), "it is never denied"


def deny_through(nginx, traceparent):
    headers = {"X-Api-Key": "acme-key", "traceparent": traceparent}
    wait_until(lambda: ask(nginx, "/identify", headers=headers).status == 429,
               "a request is denied")


def events_of(quotad, query="limit=1000"):
    return quotad.get_json(f"/v1/events?{query}")["events"]


def wait_for_events(quotad, count, query="limit=1000"):
    return wait_until(lambda: found if len(found := events_of(quotad, query)) >= count else None,
                      f"{count} events")


def kinds(events):
    return [event["kind"] for event in events]


def with_file(stack, *flags, text=SMALL, **how):
    path = stack.workdir / "events.jsonl"
    quotad = stack.quotad(text, flags=["--events", "file", "--events-file", path, *FAST, *flags],
                          **how)
    return quotad, path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# -- the file


def test_a_file_gets_every_denial_and_the_sampled_part_of_the_rest(stack):
    quotad, path = with_file(stack, "--events-sample", "0.5",
                             text=policy([consumer("acme", "enterprise"), consumer("beta")],
                                         tiers={"enterprise": {"unlimited": True},
                                                "free": {"requests_per_minute": 1}}, burst=1,
                                         endpoints=PRICES))
    for _ in range(400):
        check(quotad, "acme")
    for _ in range(20):
        check(quotad, "beta")
    quotad.stop()
    events = lines(path)
    denied = [event for event in events if event["kind"] == "decision"
              and event["outcome"] == "denied"]
    # Time goes on, so a token may have dripped in.
    assert 18 <= len(denied) <= 19
    allowed = [event for event in events if event["outcome"] == "allowed"]
    # 200 expected, with a standard deviation of 10.
    assert 140 <= len(allowed) <= 260
    assert kinds(events).count("first_denial") == 1


def test_metrics_say_what_became_of_events(stack):
    quotad, _ = with_file(stack, "--events-sample", "0", "--events-denials-per-second", "2")
    metrics = quotad.metrics()
    for result in ("written", "dropped", "failed", "capped"):
        assert f'quota_events_total{{result="{result}"}} 0' in metrics.text
    for result in ("ok", "error", "dropped"):
        assert f'quota_webhook_requests_total{{result="{result}"}} 0' in metrics.text
    for kind in ("month_80", "month_100", "first_denial"):
        assert f'quota_thresholds_total{{kind="{kind}"}} 0' in metrics.text
    for _ in range(20):
        check(quotad)
    metrics = wait_until(
        lambda: found if (found := quotad.metrics()).sum("quota_events_total") >= 17 else None,
        "the events are counted")
    assert metrics.sum("quota_events_total", result="capped") > 0
    assert metrics.sum("quota_events_total", result="written") >= 2
    assert metrics.sum("quota_thresholds_total", kind="first_denial") == 1


def test_a_full_disk_costs_events_and_no_decision(stack):
    quotad = stack.quotad(SMALL, flags=["--events", "file", "--events-file", "/dev/full", *FAST])
    deny(quotad)
    wait_until(lambda: quotad.metrics().sum("quota_events_total", result="failed") > 0,
               "the failure is counted")
    assert "No space left" in quotad.log()
    assert check(quotad).outcome == 2


def test_events_that_cannot_be_written_at_all_are_said_at_the_start(stack):
    quotad = stack.quotad(start=False, flags=["--events", "file", "--events-file", "/no/where"])
    code, said = quotad.run_to_the_end()
    assert code == 1
    assert "events_file: cannot write to /no/where: No such file or directory" in said


@pytest.mark.parametrize("flags, words", [
    (["--events", "redis"], "events: redis needs a store in Redis"),
    (["--events", "file"], "events: file needs events_file"),
    (["--events-sample", "2"], "--events-sample: \"2\" is not a number from 0 to 1"),
    (["--webhook-url", "https://127.0.0.1/hunter2"], "webhook_url and its secret belong together"),
    (["--webhook-url", "127.0.0.1/hunter2"], "--webhook-url: the URL starts neither with https"),
])
def test_wrong_settings_are_refused_in_one_sentence(stack, flags, words):
    code, said = stack.quotad(start=False, flags=flags).run_to_the_end()
    assert code == 1
    assert words in said
    assert len(said.splitlines()) == 1
    assert "hunter2" not in said


# -- privacy


def shown(stack, privacy, *flags):
    quotad, path = with_file(stack, "--events-privacy", privacy, *flags)
    deny(quotad, attributes={"traceparent": TRACEPARENT.encode()})
    quotad.stop()
    events = lines(path)
    return [next(event for event in events if event["kind"] == kind and event["outcome"] == "denied")
            for kind in ("decision", "first_denial")], path.read_text() + quotad_log(stack)


def quotad_log(stack):
    return "".join(text for name, text in stack.logs().items() if name.endswith("quotad.log"))


def test_full_events_show_who_asked_for_what(stack):
    (event, _), _ = shown(stack, "full")
    assert event["consumer"] == "acme"
    assert event["client_ip"] == "10.1.2.3"
    assert event["path"] == "/identify"
    assert event["trace_id"] == TRACE
    assert event["minute_limit"] == 3
    assert event["minute_remaining"] < 1
    assert event["cost"] == 1
    assert event["reason"] == "minute"


def test_hashed_events_name_a_consumer_only_where_a_threshold_is_told(stack):
    (event, threshold), text = shown(stack, "hashed", "--events-hash-key-file", hash_key(stack))
    key = b"a hash key of the tests"
    assert event["consumer"] == hmac.new(key, b"acme", "sha256").hexdigest()[:32]
    assert event["client_ip"] == hmac.new(key, b"10.1.2.3", "sha256").hexdigest()[:32]
    assert "path" not in event
    assert event["trace_id"] == TRACE
    assert threshold["consumer"] == "acme"
    assert "10.1.2.3" not in text
    assert key.decode() not in text


def hash_key(stack):
    path = stack.workdir / "hash.key"
    path.write_text("a hash key of the tests\n")
    path.chmod(0o600)
    return path


def test_minimal_events_name_nobody(stack):
    (event, threshold), text = shown(stack, "minimal")
    for each in (event, threshold):
        assert not {"consumer", "client_ip", "path", "trace_id"} & each.keys()
        assert each["tier"] == "small"
    assert "acme" not in text
    assert TRACE not in text


def test_no_key_means_hashes_of_this_start_only_and_the_log_says_so(stack):
    quotad, _ = with_file(stack)
    assert "without events_hash_key_file" in quotad.log()
    assert "without events_hash_key_file" not in stack.quotad(SMALL).log()


# -- traces


def test_the_trace_of_a_request_is_in_its_denial(stack):
    quotad = stack.quotad(SMALL, flags=[*FAST, "--log-format", "json"])
    nginx = stack.nginx(f"location / {{ {CHECKED} }}", sidecar=quotad)
    deny_through(nginx, TRACEPARENT)
    event = wait_for_events(quotad, 1, "denied=true")[0]
    assert event["trace_id"] == TRACE
    log = [json.loads(line) for line in quotad.log().splitlines() if line.startswith("{")]
    denials = [line for line in log if line["message"] == "denial"]
    assert len(denials) == 1
    assert denials[0]["trace_id"] == TRACE
    assert denials[0]["level"] == "info"
    assert denials[0]["reason"] == "minute"
    assert denials[0]["left_out"] == 0


@pytest.mark.parametrize("header", [TRACEPARENT.upper(), TRACEPARENT + "-01", "x" * 55,
                                    f"00-{'0' * 32}-00f067aa0ba902b7-01"])
def test_what_is_no_trace_is_none(stack, header):
    quotad = stack.quotad(SMALL, flags=FAST)
    nginx = stack.nginx(f"location / {{ {CHECKED} }}", sidecar=quotad)
    deny_through(nginx, header)
    assert "trace_id" not in wait_for_events(quotad, 1, "denied=true")[0]


def test_an_attribute_that_is_configured_wins(stack):
    other = TRACEPARENT.replace("4bf92f", "aaaaaa")
    quotad = stack.quotad(SMALL, flags=FAST)
    nginx = stack.nginx(f"location / {{ {CHECKED} quota_attribute traceparent {other}; }}",
                        sidecar=quotad)
    deny_through(nginx, TRACEPARENT)
    assert wait_for_events(quotad, 1, "denied=true")[0]["trace_id"].startswith("aaaaaa")


def test_denials_are_logged_once_a_second_or_not_at_all(stack):
    quotad = stack.quotad(SMALL, flags=FAST)
    for _ in range(100):
        check(quotad)
    wait_for_events(quotad, 90)
    # A second may have ended in between, and not more than a few on a busy machine.
    assert 1 <= quotad.log().count(" denial: ") <= 5
    silent = stack.quotad(SMALL, flags=[*FAST, "--log-denials", "false"])
    deny(silent)
    wait_for_events(silent, 1)
    assert " denial: " not in silent.log()


# -- the admin API


def test_recent_denials_are_there_also_without_events(stack):
    quotad = stack.quotad(SMALL, flags=[*FAST, "--events-privacy", "full"])
    deny(quotad)
    deny(quotad, "beta")
    assert kinds(wait_for_events(quotad, 4)) == ["decision", "first_denial"] * 2
    assert {event["consumer"] for event in events_of(quotad, "consumer=beta")} == {"beta"}
    page = quotad.get_json("/v1/events?after=1&limit=1")
    assert kinds(page["events"]) == ["first_denial"]
    assert page["next"] == 2
    assert page["missed"] == 0
    assert quotad.metrics().sum("quota_events_total", result="written") == 0


def test_hashed_consumers_are_found_by_their_name(stack):
    quotad = stack.quotad(SMALL, flags=FAST)
    deny(quotad)
    deny(quotad, "beta")
    wait_for_events(quotad, 4)
    found = events_of(quotad, "consumer=acme")
    assert kinds(found) == ["decision", "first_denial"]
    assert found[0]["consumer"] != "acme"
    minimal = stack.quotad(SMALL, flags=[*FAST, "--events-privacy", "minimal"])
    status, _, body = minimal.ask("GET", "/v1/events?consumer=acme")
    assert status == 400
    assert "minimal" in json.loads(body)["detail"]


def test_events_are_private_where_there_is_a_token(stack):
    quotad = stack.quotad(SMALL)
    assert quotad.ask("GET", "/v1/events", token=None)[0] == 401
    assert quotad.ask("GET", "/v1/events", token="a-wrong-token-0000")[0] == 401
    assert quotad.ask("GET", "/v1/events")[0] == 200
    assert stack.quotad(SMALL, token=None).ask("GET", "/v1/events", token=None)[0] == 200


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=", "limit=1001", "denied=yes",
                                   "wait_ms=5", "after=1&after=2",
                                   "after=99999999999999999999"])
def test_a_wrong_question_about_events_gets_a_sentence(stack, query):
    status, _, body = stack.quotad(SMALL).ask("GET", f"/v1/events?{query}")
    assert status == 400
    assert json.loads(body)["detail"]


# -- quotactl tail


def tail(stack, quotad, *words, name="tail"):
    return Process(name, quotad.ctl_command("tail", "--interval", "20ms", *words),
                   stack.workdir / f"{name}.log", quotad.ctl_environment())


def test_tail_follows_and_survives_a_restart(stack):
    quotad = stack.quotad(SMALL, flags=[*FAST, "--events-privacy", "full"])
    deny(quotad)
    process = tail(stack, quotad, "--denied")
    wait_until(lambda: "denied" in process.log(), "tail shows what there was")
    deny(quotad, "beta")
    wait_until(lambda: re.search(r" beta small GET /identify cost 1 left 0[.\d]*/", process.log()),
               "tail shows what comes")
    quotad.stop()
    wait_until(lambda: "cannot reach quotad, trying again" in process.log(), "tail has noticed")
    assert process.is_running()
    quotad.start()
    wait_until(lambda: "quotad restarted" in process.log(), "tail has noticed")
    before = process.log().count(" acme ")
    deny(quotad)
    wait_until(lambda: process.log().count(" acme ") > before, "tail goes on")
    assert process.log().count("cannot reach quotad") == 1
    assert process.stop(signal.SIGINT) == 0


def test_tail_speaks_json_lines_and_shows_one_consumer(stack):
    quotad = stack.quotad(SMALL, flags=FAST)
    deny(quotad)
    deny(quotad, "beta")
    wait_for_events(quotad, 4)
    process = tail(stack, quotad, "--json", "--consumer", "beta")
    wait_until(lambda: process.log().count("\n") >= 2, "tail shows two events")
    assert process.stop() == 0
    assert kinds([json.loads(line) for line in process.log().splitlines()]) == [
        "decision", "first_denial"]


def test_tail_ends_when_nobody_reads_it_any_more(stack):
    quotad = stack.quotad(SMALL, flags=FAST)
    with subprocess.Popen(quotad.ctl_command("tail", "--interval", "20ms"), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          env={**os.environ, **quotad.ctl_environment()}) as process:
        deny(quotad)
        assert process.stdout.readline()
        process.stdout.close()
        def ended():
            check(quotad)
            return process.poll() is not None
        wait_until(ended, "tail has ended")
        assert process.returncode == 0
        assert process.stderr.read() == b""


def test_tail_says_at_once_that_nobody_is_there_or_that_it_may_not(stack):
    quotad = stack.quotad(SMALL)
    done = quotad.ctl("tail", token=None)
    assert (done.returncode, done.stdout) == (4, "")
    quotad.stop()
    done = quotad.ctl("tail")
    assert done.returncode == 3
    assert "cannot reach quotad" in done.stderr
    assert quotad.ctl("tail", "--interval", "5").returncode == 1


# -- the webhook


class Receiver:
    """Takes what a webhook posts, after failing as often as it is told to."""

    def __init__(self, failures=0):
        self.posts = []
        self.attempts = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.attempts.append(self.headers["X-Quota-Delivery"])
                failed = len(receiver.attempts) <= failures
                self.send_response(503 if failed else 204)
                self.end_headers()
                if not failed:
                    receiver.posts.append((self.path, dict(self.headers), body))

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/s3cret-path"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(name="receive")
def fixture_receive():
    receivers = []

    def make(**how):
        receivers.append(Receiver(**how))
        return receivers[-1]
    yield make
    for receiver in receivers:
        receiver.close()


def verify(secret, headers, body):
    """As docs/configuration.md shows it."""
    signed = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["X-Quota-Signature"])
    expected = hmac.new(secret.encode(), f"{signed[1]}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signed[2], expected)


def test_a_webhook_is_told_of_thresholds_with_a_signature(stack, receive):
    receiver = receive()
    text = policy([consumer("acme", "small")], tiers={
        "small": {"requests_per_minute": 100, "monthly_quota": 10}}, default_tier="small",
        endpoints=PRICES)
    quotad = stack.quotad(text, flags=FAST, variables={"QUOTAD_WEBHOOK_SECRET": SECRET,
                                                       "QUOTAD_WEBHOOK_URL": receiver.url})
    for _ in range(12):
        check(quotad)
    wait_until(lambda: len(receiver.posts) >= 3, "three thresholds are told")
    events = [json.loads(body) for _, _, body in receiver.posts]
    assert sorted(kinds(events)) == ["first_denial", "month_100", "month_80"]
    for path, headers, body in receiver.posts:
        assert path == "/hook/s3cret-path"
        assert headers["Content-Type"] == "application/json"
        assert verify(SECRET, headers, body)
        assert not verify(SECRET + "x", headers, body)
    assert {event["consumer"] for event in events} == {"acme"}
    assert next(event for event in events if event["kind"] == "month_80")["month_remaining"] == 2
    wait_until(lambda: quotad.metrics().sum("quota_webhook_requests_total", result="ok") == 3,
               "the requests are counted")
    assert quotad.metrics().sum("quota_thresholds_total") == 3
    assert SECRET not in quotad.log()
    assert "s3cret" not in quotad.log()


def test_a_webhook_that_fails_is_tried_again(stack, receive):
    receiver = receive(failures=1)
    quotad = stack.quotad(SMALL, flags=FAST, variables={"QUOTAD_WEBHOOK_SECRET": SECRET,
                                                        "QUOTAD_WEBHOOK_URL": receiver.url})
    deny(quotad)
    wait_until(lambda: receiver.posts, "the second attempt succeeds")
    assert len(receiver.attempts) == 2
    assert receiver.attempts[0] == receiver.attempts[1]


def test_a_webhook_that_hangs_delays_neither_decisions_nor_the_end(stack):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        quotad = stack.quotad(SMALL, flags=FAST, variables={
            "QUOTAD_WEBHOOK_SECRET": SECRET,
            "QUOTAD_WEBHOOK_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/"})
        deny(quotad)
        connection, _ = silent.accept()
        with connection:
            assert check(quotad).outcome == 2
            quotad.stop()
