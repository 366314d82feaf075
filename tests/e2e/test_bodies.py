"""Request bodies arrive whole at the upstream, whenever they come: before, during or after the
wait for the verdict."""

import asyncio

import httpx
import pytest

from fake_sidecar import deny, hold
from harness.client import Later, ask, at_once, open_socket, read_until_close
from harness.process import wait_until

LARGE = bytes(range(256)) * 20_000  # 5 MB


@pytest.fixture(name="world", params=["on", "off"], ids=["buffered", "unbuffered"])
def fixture_world(stack, request):
    """A gateway whose sidecar holds verdicts back, and the upstream behind it."""
    upstream = stack.upstream()
    fake = stack.fake_sidecar(behaviour=hold)
    nginx = stack.nginx(f"""
        client_max_body_size 50m;
        location / {{
            quota on;
            proxy_pass http://{upstream.address};
            proxy_http_version 1.1;
            proxy_request_buffering {request.param};
        }}""", sidecar=fake)
    return nginx, fake, upstream


def head(length):
    return (f"POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


CHUNKED_HEAD = (b"POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def assert_arrived(connection, upstream, body):
    assert b" 200 " in read_until_close(connection)
    (received,) = upstream.received
    assert received.body == body


def test_a_body_that_comes_with_the_head(world):
    nginx, fake, upstream = world
    with open_socket(nginx) as connection:
        connection.sendall(head(5) + b"hello")
        fake.wait_for_checks(1)
        fake.release()
        assert_arrived(connection, upstream, b"hello")


def test_a_body_that_comes_during_the_wait(world):
    nginx, fake, upstream = world
    with open_socket(nginx) as connection:
        connection.sendall(head(5))
        fake.wait_for_checks(1)
        connection.sendall(b"hello")
        fake.release()
        assert_arrived(connection, upstream, b"hello")


def test_a_body_that_comes_after_the_wait(world):
    nginx, fake, upstream = world
    with open_socket(nginx) as connection:
        connection.sendall(head(5))
        fake.wait_for_checks(1)
        fake.release()
        wait_until(lambda: nginx.requests_in_progress() == 1, "the request waits for its body")
        connection.sendall(b"hello")
        assert_arrived(connection, upstream, b"hello")


def test_a_body_in_pieces_before_during_and_after_the_wait(world):
    nginx, fake, upstream = world
    with open_socket(nginx) as connection:
        connection.sendall(head(9) + b"one")
        fake.wait_for_checks(1)
        connection.sendall(b"two")
        fake.release()
        connection.sendall(b"six")
        assert_arrived(connection, upstream, b"onetwosix")


def test_a_large_body_half_of_which_comes_during_the_wait(world):
    nginx, fake, upstream = world
    half = len(LARGE) // 2
    with open_socket(nginx) as connection:
        connection.sendall(head(len(LARGE)))
        fake.wait_for_checks(1)
        # As much as the sockets take: nginx need not read before it has a verdict.
        connection.setblocking(False)
        sent = 0
        try:
            while sent < half:
                sent += connection.send(LARGE[sent:half])
        except BlockingIOError:
            pass
        connection.settimeout(60)
        fake.release()
        connection.sendall(LARGE[sent:])
        assert_arrived(connection, upstream, LARGE)


def test_a_chunked_body_that_comes_with_the_head(world):
    nginx, fake, upstream = world
    with open_socket(nginx) as connection:
        connection.sendall(CHUNKED_HEAD + chunk(b"hello") + chunk(b""))
        fake.wait_for_checks(1)
        fake.release()
        assert_arrived(connection, upstream, b"hello")


def test_a_chunked_body_in_pieces_before_during_and_after_the_wait(world):
    nginx, fake, upstream = world
    with open_socket(nginx) as connection:
        connection.sendall(CHUNKED_HEAD + chunk(b"one") + b"4\r\ntw")
        fake.wait_for_checks(1)
        connection.sendall(b"o-\r\n" + chunk(b"three"))
        fake.release()
        connection.sendall(chunk(b"four") + chunk(b""))
        assert_arrived(connection, upstream, b"onetwo-threefour")


def test_expect_100_continue(world):
    nginx, fake, upstream = world
    with open_socket(nginx) as connection:
        connection.sendall(head(5)[:-2] + b"Expect: 100-continue\r\n\r\n")
        fake.wait_for_checks(1)
        fake.release()
        # Nobody sends a body before the server says that it wants one.
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        assert_arrived(connection, upstream, b"hello")


def test_an_http_2_body(world):
    nginx, fake, upstream = world

    async def post():
        async with httpx.AsyncClient(http1=False, http2=True, timeout=60) as client:
            return await client.post(f"http://{nginx.host}:{nginx.h2_port}/upload",
                                     content=LARGE[:1_000_000])

    async def both():
        posting = asyncio.create_task(post())
        await asyncio.to_thread(fake.wait_for_checks, 1)
        fake.release()
        return await posting

    assert asyncio.run(both()).status_code == 200
    (received,) = upstream.received
    assert received.body == LARGE[:1_000_000]


def test_many_bodies_at_once_stay_apart(world):
    nginx, fake, upstream = world
    bodies = [bytes([number]) * (number * 1000) for number in range(1, 41)]
    waiting = [Later(nginx, f"/{number}", method="POST", body=body)
               for number, body in enumerate(bodies)]
    fake.wait_for_checks(40)
    fake.release(reverse=True)
    assert [later.answer().status for later in waiting] == [200] * 40
    assert {received.path: received.body for received in upstream.received} == {
        f"/{number}": body for number, body in enumerate(bodies)}


def test_the_body_of_a_denied_request_reaches_nobody(world):
    nginx, fake, upstream = world
    fake.behaviour = deny
    answers = at_once(10, lambda number: ask(nginx, method="POST", body=b"x" * 1000 * number))
    assert [answer.status for answer in answers] == [429] * 10
    assert not upstream.received


def test_a_connection_is_usable_after_a_denied_body(world):
    nginx, fake, _ = world
    fake.behaviour = deny
    with open_socket(nginx) as connection:
        connection.sendall(head(5).replace(b"Connection: close\r\n", b"") + b"hello")
        connection.sendall(b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = read_until_close(connection)
    # The body is thrown away and not taken for a request.
    assert answer.count(b"HTTP/1.1 429 ") == 2
    assert b"HTTP/1.1 400" not in answer
