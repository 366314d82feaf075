"""A sidecar that is away, slow, dying or mad never harms more than quota_on_error says, and never
for longer than quota_timeout."""

import json
import os
import re
import socket
import time

import pytest
from quota.v1 import quota_pb2

from fake_sidecar import allow, allowed, hold, ignore
from harness.client import Later, ask, at_once
from harness.nginx import CHECKED
from harness.process import wait_until

SERVER = f"""
    location / {{ {CHECKED} add_header X-Outcome $quota_outcome always;
                  add_header X-Consumer $quota_consumer always; }}
"""
# Long enough that a test which had to wait for it would be seen to.
LONG = "quota_timeout 20s;"
SHORT = "quota_timeout 200ms;"
LOCAL_ZONE = "quota_local_zone fallback:1m rate=600r/m;"


def outcome(answer):
    return answer.headers["X-Outcome"]


def gateway(stack, sidecar, quota):
    return stack.nginx(SERVER, sidecar=sidecar, quota=quota)


class Address:
    """Where no sidecar is."""

    def __init__(self, address):
        self.address = address


def absent(stack):
    return Address(f"unix:{stack.workdir}/nobody.sock")


def refusing(stack):
    path = stack.workdir / "refusing.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    return Address(f"unix:{path}")


def refusing_tcp(_stack):
    return Address("127.0.0.1:1")


AWAY = [absent, refusing, refusing_tcp]


# -- away


@pytest.mark.parametrize("away", AWAY)
def test_allow_lets_requests_through_at_once_when_the_sidecar_is_away(stack, away):
    nginx = gateway(stack, away(stack), f"{LONG} quota_on_error allow;")
    started = time.monotonic()
    answers = [ask(nginx) for _ in range(20)]
    assert [(answer.status, outcome(answer)) for answer in answers] == [(200, "error_allowed")] * 20
    assert time.monotonic() - started < 10  # less than one quota_timeout for all of them


@pytest.mark.parametrize("away", AWAY)
def test_deny_answers_503_at_once_when_the_sidecar_is_away(stack, away):
    nginx = gateway(stack, away(stack), f"{LONG} quota_on_error deny;")
    started = time.monotonic()
    answers = [ask(nginx) for _ in range(20)]
    assert [(answer.status, outcome(answer)) for answer in answers] == [(503, "error_denied")] * 20
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("away", AWAY)
def test_local_decides_at_once_when_the_sidecar_is_away(stack, away):
    nginx = stack.nginx(SERVER, sidecar=away(stack), http=LOCAL_ZONE,
                        quota=f"{LONG} quota_on_error local;")
    started = time.monotonic()
    answers = [ask(nginx) for _ in range(20)]
    assert [(answer.status, outcome(answer)) for answer in answers] == [(200, "local_allowed")] * 20
    assert time.monotonic() - started < 10


def test_a_denial_for_want_of_a_sidecar_is_problem_json(stack):
    answer = ask(gateway(stack, absent(stack), f"{LONG} quota_on_error deny;"))
    assert answer.headers.get_content_type() == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["status"] == 503
    assert problem["detail"]
    assert answer.all("Cache-Control") == ["no-store"]


def test_allow_is_what_happens_unless_told_otherwise(stack):
    answer = ask(gateway(stack, absent(stack), LONG))
    assert (answer.status, outcome(answer)) == (200, "error_allowed")


# -- slow


def listening_but_silent(stack):
    """Accepts connections by way of the backlog, and never reads."""
    path = stack.workdir / "silent.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    os.chmod(path, 0o666)
    listener.listen(128)
    address = Address(f"unix:{path}")
    address.listener = listener  # lives as long as the address
    return address


def reading_but_silent(stack):
    return stack.fake_sidecar(behaviour=ignore)


def without_verdicts(stack):
    return stack.fake_sidecar(
        behaviour=lambda connection, request: connection.respond([], ack=True))


@pytest.mark.parametrize("hung", [listening_but_silent, reading_but_silent, without_verdicts])
@pytest.mark.parametrize("on_error, status, seen", [
    ("allow", 200, "error_allowed"), ("deny", 503, "error_denied"), ("local", 200, "local_allowed")])
def test_a_hung_sidecar_costs_no_more_than_quota_timeout(stack, hung, on_error, status, seen):
    sidecar = hung(stack)
    nginx = stack.nginx(SERVER, sidecar=sidecar, http=LOCAL_ZONE,
                        quota=f"{SHORT} quota_on_error {on_error};")
    started = time.monotonic()
    answer = ask(nginx)
    elapsed = time.monotonic() - started
    assert (answer.status, outcome(answer)) == (status, seen)
    assert 0.15 <= elapsed < 5


def test_many_requests_wait_for_a_hung_sidecar_side_by_side(stack):
    nginx = gateway(stack, stack.fake_sidecar(behaviour=ignore), SHORT)
    started = time.monotonic()
    answers = at_once(50, lambda _: ask(nginx))
    assert {outcome(answer) for answer in answers} == {"error_allowed"}
    assert time.monotonic() - started < 5  # one after the other they would take ten


def test_a_verdict_that_comes_too_late_is_given_to_nobody(stack):
    def named(check, name):
        verdict = allowed(check)
        verdict.consumer = name
        return verdict

    late = []

    def behaviour(connection, request):
        (check,) = request.checks
        if not late:
            late.append(check)
            connection.respond([], ack=True)
        else:
            connection.respond([named(late[0], b"late")], ack=True)
            connection.respond([named(check, b"own")])

    nginx = gateway(stack, stack.fake_sidecar(behaviour=behaviour), SHORT)
    assert outcome(ask(nginx)) == "error_allowed"
    assert ask(nginx).headers["X-Consumer"] == "own"


def test_quota_timeout_of_a_location_overrides_the_one_around_it(stack):
    fake = stack.fake_sidecar(behaviour=ignore)
    nginx = stack.nginx(f"location / {{ {CHECKED} {SHORT} }}", sidecar=fake, quota=LONG)
    started = time.monotonic()
    assert ask(nginx).status == 200
    assert time.monotonic() - started < 10


# -- dying


def dies(connection):
    connection.close()


def resets_the_stream(connection):
    connection.reset_stream(2)


def finishes_the_call(connection):
    connection.finish(status=14)


def goes_away(connection):
    connection.go_away(last_stream_id=0)


def sends_garbage(connection):
    connection.send_raw(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256)))


def sends_a_message_that_is_none(connection):
    connection.send_message(b"\xff\xff\xff\xff")


def sends_a_message_that_claims_4_gb(connection):
    connection.send_message(b"x" * 100, length=2**32 - 1)


FATAL = [dies, resets_the_stream, finishes_the_call, goes_away, sends_garbage,
         sends_a_message_that_is_none, sends_a_message_that_claims_4_gb]


@pytest.mark.parametrize("fault", FATAL)
def test_requests_that_wait_when_the_sidecar_fails_do_not_wait_on(stack, fault):
    fake = stack.fake_sidecar(behaviour=hold)
    nginx = gateway(stack, fake, f"{LONG} quota_on_error deny;")
    started = time.monotonic()
    waiting = [Later(nginx) for _ in range(10)]
    fake.wait_for_checks(10)
    fault(fake.connection)
    assert [later.answer().status for later in waiting] == [503] * 10
    assert time.monotonic() - started < 15  # less than quota_timeout


@pytest.mark.parametrize("fault", FATAL)
def test_the_worker_connects_anew_after_a_failure(stack, fault):
    fake = stack.fake_sidecar(behaviour=hold)
    nginx = gateway(stack, fake, LONG)
    waiting = Later(nginx)
    fake.wait_for_checks(1)
    fake.behaviour = allow
    fault(fake.connection)
    waiting.answer()
    wait_until(lambda: outcome(ask(nginx)) == "allowed", "requests are decided again")


def test_a_verdict_for_a_check_that_nobody_made_is_ignored(stack):
    def answer(connection, request):
        stray = [quota_pb2.Verdict(id=number, outcome=quota_pb2.DENIED)
                 for number in (0, 1, 7, 2**32, 2**63, 2**64 - 1)
                 if number not in {check.id for check in request.checks}]
        connection.respond(stray + [allowed(check) for check in request.checks], ack=True)

    nginx = gateway(stack, stack.fake_sidecar(behaviour=answer), LONG)
    assert [outcome(ask(nginx)) for _ in range(20)] == ["allowed"] * 20


def test_the_first_of_two_verdicts_counts(stack):
    def twice(connection, request):
        verdicts = [allowed(check) for check in request.checks]
        connection.respond(verdicts + verdicts, ack=True)
        connection.respond(verdicts)

    nginx = gateway(stack, stack.fake_sidecar(behaviour=twice), LONG)
    answers = at_once(50, lambda _: ask(nginx))
    assert [outcome(answer) for answer in answers] == ["allowed"] * 50


def test_a_verdict_without_an_outcome_is_an_error(stack):
    def unspecified(connection, request):
        connection.respond([quota_pb2.Verdict(id=check.id) for check in request.checks], ack=True)

    nginx = gateway(stack, stack.fake_sidecar(behaviour=unspecified),
                    f"{LONG} quota_on_error deny;")
    assert ask(nginx).status == 503


def test_a_sidecar_that_gives_no_credit_stops_nobody_for_longer_than_quota_timeout(stack):
    # The worker's HTTP/2 window runs full after 64 KB of checks and is never opened again.
    fake = stack.fake_sidecar()
    fake.gives_credit = False
    nginx = gateway(stack, fake, f"{SHORT} quota_on_error allow;")
    key = "k" * 4000
    answers = [ask(nginx, key=key) for _ in range(40)]
    assert [answer.status for answer in answers] == [200] * 40
    assert "error_allowed" in {outcome(answer) for answer in answers}


# -- recovery


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_are_decided_again_once_a_sidecar_appears(stack, workers):
    quotad = stack.quotad(start=False)
    nginx = stack.nginx(SERVER, sidecar=quotad, quota=LONG, workers=workers)
    assert {outcome(answer) for answer in at_once(20, lambda _: ask(nginx))} == {"error_allowed"}
    quotad.start()
    wait_until(lambda: {outcome(answer) for answer in at_once(20, lambda _: ask(nginx, "/health"))}
               == {"exempt"}, "every worker has found the sidecar")


def test_a_killed_and_restarted_quotad_is_found_again(stack):
    quotad = stack.quotad()
    nginx = gateway(stack, quotad, LONG)
    assert outcome(ask(nginx)) == "allowed"
    for _ in range(3):
        quotad.kill()
        wait_until(lambda: outcome(ask(nginx, "/health")) == "error_allowed", "nginx notices")
        quotad.start()
        wait_until(lambda: outcome(ask(nginx, "/health")) == "exempt", "nginx comes back")


def test_the_log_says_when_the_sidecar_is_back_and_only_then(stack):
    quotad = stack.quotad()
    nginx = gateway(stack, quotad, LONG)
    assert outcome(ask(nginx)) == "allowed"
    assert " is back" not in nginx.error_log()
    quotad.kill()
    wait_until(lambda: outcome(ask(nginx, "/health")) == "error_allowed", "nginx notices")
    quotad.start()
    wait_until(lambda: outcome(ask(nginx, "/health")) == "exempt", "nginx comes back")
    assert len(re.findall(r"quota: the sidecar at unix:\S+ is back$", nginx.error_log(), re.M)) == 1


def test_no_request_waits_while_the_worker_backs_off(stack):
    fake = stack.fake_sidecar()
    nginx = gateway(stack, fake, LONG)
    assert outcome(ask(nginx)) == "allowed"
    fake.stop()
    started = time.monotonic()
    answers = [ask(nginx) for _ in range(100)]
    assert {outcome(answer) for answer in answers} == {"error_allowed"}
    assert time.monotonic() - started < 10


def test_every_request_is_answered_while_the_sidecar_comes_and_goes(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(SERVER, sidecar=fake, quota=SHORT, workers=2)
    statuses = []
    for _ in range(10):
        statuses += at_once(20, lambda _: ask(nginx).status)
        fake.drop_connections()
    assert statuses == [200] * 200


def test_an_outage_is_one_line_of_the_log_and_not_one_per_request(stack):
    nginx = gateway(stack, absent(stack), LONG)
    for _ in range(200):
        ask(nginx)
    lines = [line for line in nginx.error_log().splitlines() if "nobody.sock" in line]
    assert 1 <= len(lines) <= 30
