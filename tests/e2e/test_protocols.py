"""Every way in which requests arrive."""

import asyncio
import re

import httpx
import pytest

from fake_sidecar import allowed, denied, hold, never_acknowledge
from harness import environment
from harness.client import Later, ask, ask_many, at_once, exchange, open_socket, read_until_close
from harness.nginx import CHECKED
from harness.process import run, wait_until

# Shows whose verdict a request got.
ECHO = f"location / {{ {CHECKED} add_header X-Consumer $quota_consumer always; }}"


def consumer_is_the_path(connection, request):
    verdicts = []
    for check in request.checks:
        verdict = allowed(check)
        verdict.consumer = check.path
        verdicts.append(verdict)
    connection.respond(verdicts, ack=True)


async def ask_over_http2(nginx, paths, **how):
    """All at once over one connection."""
    async with httpx.AsyncClient(http1=False, http2=True, timeout=60) as client:
        base = f"http://{nginx.host}:{nginx.h2_port}"
        return await asyncio.gather(*(client.get(base + path, **how) for path in paths))


def test_a_kept_alive_connection_is_checked_for_each_request(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(ECHO, sidecar=fake)
    assert [answer.status for answer in ask_many(nginx, 200)] == [200] * 200
    assert len(fake.checks) == 200


def test_pipelined_requests_are_answered_in_order_with_their_own_verdicts(stack):
    fake = stack.fake_sidecar(behaviour=consumer_is_the_path)
    nginx = stack.nginx(ECHO, sidecar=fake)
    requests = [f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n" for number in range(50)]
    requests.append("GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = exchange(nginx, "".join(requests).encode()).decode()
    assert re.findall(r"X-Consumer: (\S+)", answer) == [
        *(f"/{number}" for number in range(50)), "/last"]


def test_simultaneous_connections_get_their_own_verdicts(stack):
    fake = stack.fake_sidecar(behaviour=consumer_is_the_path)
    nginx = stack.nginx(ECHO, sidecar=fake, workers=2)
    paths = [f"/{number}" for number in range(100)]
    answers = at_once(100, lambda number: ask(nginx, paths[number]))
    assert [answer.headers["X-Consumer"] for answer in answers] == paths


def test_verdicts_may_come_in_any_order(stack):
    fake = stack.fake_sidecar(behaviour=hold)
    nginx = stack.nginx(ECHO, sidecar=fake)
    paths = [f"/{number}" for number in range(20)]
    waiting = [Later(nginx, path) for path in paths]
    fake.wait_for_checks(20)

    def verdict(check):
        result = allowed(check)
        result.consumer = check.path
        return result

    fake.release(verdict, reverse=True)
    assert [later.answer().headers["X-Consumer"] for later in waiting] == paths


def test_http_2_streams_of_one_connection_get_their_own_verdicts(stack):
    fake = stack.fake_sidecar(behaviour=consumer_is_the_path)
    nginx = stack.nginx(ECHO, sidecar=fake)
    paths = [f"/{number}" for number in range(100)]
    answers = asyncio.run(ask_over_http2(nginx, paths))
    assert [answer.headers["x-consumer"] for answer in answers] == paths


def test_a_denied_http_2_stream_leaves_the_others_alone(stack):
    def deny_odd(connection, request):
        connection.respond([denied(check) if int(check.path[1:]) % 2 else allowed(check)
                            for check in request.checks], ack=True)

    nginx = stack.nginx(ECHO, sidecar=stack.fake_sidecar(behaviour=deny_odd))
    answers = asyncio.run(ask_over_http2(nginx, [f"/{number}" for number in range(60)]))
    assert [answer.status_code for answer in answers] == [200, 429] * 30


def test_h2load_sees_only_successes(stack):
    nginx = stack.nginx(ECHO, sidecar=stack.quotad(), workers=2)
    # The exempt endpoint: every request is decided, none runs out.
    done = run([environment.program("h2load"), "-n", "4000", "-c", "8", "-m", "32",
                f"http://{nginx.host}:{nginx.h2_port}/health"])
    assert "4000 succeeded, 0 failed" in done.stdout, done.stdout + done.stderr
    assert "status codes: 4000 2xx" in done.stdout, done.stdout


def test_a_chunked_answer_arrives_whole(stack):
    # SSI makes the length unknown.
    nginx = stack.nginx(
        f"location / {{ {CHECKED} ssi on; ssi_types *; }}", sidecar=stack.fake_sidecar())
    answer = ask(nginx, "/chunked")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.body == b"/chunked"


def test_a_lone_request_waits_for_nobody(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(ECHO, sidecar=fake)
    ask(nginx, "/one")
    assert [len(request.checks) for request in fake.requests] == [1]


def test_while_a_batch_is_not_acknowledged_the_next_one_gathers(stack):
    fake = stack.fake_sidecar(behaviour=never_acknowledge)
    nginx = stack.nginx(ECHO, sidecar=fake)
    first = Later(nginx, "/first")
    fake.wait_for_checks(1)
    others = [Later(nginx, f"/{number}") for number in range(20)]
    wait_until(lambda: nginx.requests_in_progress() == 21, "21 requests wait for verdicts")
    fake.behaviour = hold
    fake.connection.respond([], ack=True)
    fake.wait_for_checks(21)
    fake.release()
    assert [later.answer().status for later in [first, *others]] == [200] * 21
    assert [len(request.checks) for request in fake.requests] == [1, 20]


def test_a_request_that_arrives_byte_by_byte_is_checked_once(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(ECHO, sidecar=fake)
    with open_socket(nginx) as connection:
        for byte in b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert b" 200 " in read_until_close(connection)
    assert len(fake.checks) == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_each_worker_has_one_connection_to_the_sidecar(stack, workers):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(ECHO, sidecar=fake, workers=workers)
    at_once(60, lambda _: ask_many(nginx, 5))
    assert 1 <= fake.accepted <= workers
    assert len(fake.checks) == 300
    assert {connection.stream_headers[b"content-type"] for connection in fake.connections} == {
        b"application/grpc"}


def test_method_path_and_address_always_reach_the_sidecar(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx("location / { quota on; proxy_pass http://content; }", sidecar=fake)
    ask(nginx, "/a//b/../c%20d?secret=1", method="POST", source="127.0.0.77")
    (check,) = fake.checks
    assert (check.method, check.path, check.client_ip) == ("POST", b"/a/c d", bytes([127, 0, 0, 77]))


def test_attributes_reach_the_sidecar_in_their_fields(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx("""
        location / {
            quota on;
            quota_attribute api_key  $http_x_api_key;
            quota_attribute consumer $http_x_consumer;
            quota_attribute tier     $http_x_tier;
            quota_attribute bearer   $http_x_token;
            quota_attribute country  "$http_x_country-1";
            quota_attribute missing  $http_x_missing;
            proxy_pass http://content;
        }""", sidecar=fake)
    ask(nginx, headers={"X-API-Key": "k", "X-Consumer": "c", "X-Tier": "t", "X-Token": "b",
                        "X-Country": "CH"})
    (check,) = fake.checks
    assert (check.api_key, check.consumer, check.tier, check.bearer) == (b"k", b"c", b"t", b"b")
    assert check.attributes["country"] == b"CH-1"
    assert not check.attributes.get("missing")
