"""Clients that leave while their requests wait for a verdict."""

import socket
import struct

import h2.config
import h2.connection
import pytest

from fake_sidecar import allow, hold, never_acknowledge
from harness.client import Later, ask, open_socket, read_until_close
from harness.nginx import CHECKED
from harness.process import wait_until

SERVER = f"location / {{ {CHECKED} }}"
REQUEST = b"GET /gone HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(name="fake")
def fixture_fake(stack):
    return stack.fake_sidecar(behaviour=hold)


@pytest.fixture(name="nginx")
def fixture_nginx(stack, fake):
    return stack.nginx(SERVER, sidecar=fake)


def reset(connection):
    """Closes with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close(connection):
    connection.close()


def logged(nginx, status):
    return sum(line.startswith(f"{status} ") for line in nginx.access_log())


@pytest.mark.parametrize("leave", [close, reset])
def test_a_client_that_leaves_is_noticed_before_the_verdict(nginx, fake, leave):
    connection = open_socket(nginx)
    connection.sendall(REQUEST)
    fake.wait_for_checks(1)
    leave(connection)
    wait_until(lambda: logged(nginx, 499) == 1, "nginx notices that the client has left")


@pytest.mark.parametrize("leave", [close, reset])
def test_a_verdict_for_a_client_that_left_harms_nobody(nginx, fake, leave):
    connection = open_socket(nginx)
    connection.sendall(REQUEST)
    fake.wait_for_checks(1)
    leave(connection)
    wait_until(lambda: logged(nginx, 499) == 1, "nginx notices that the client has left")
    later = Later(nginx)
    fake.wait_for_checks(2)
    fake.release()
    assert later.answer().status == 200


@pytest.mark.parametrize("leave", [close, reset])
def test_a_hundred_clients_that_leave_at_once_free_their_places(nginx, fake, leave):
    connections = [open_socket(nginx) for _ in range(100)]
    for connection in connections:
        connection.sendall(REQUEST)
    fake.wait_for_checks(100)
    for connection in connections:
        leave(connection)
    wait_until(lambda: logged(nginx, 499) == 100, "nginx notices that the clients have left")
    assert nginx.requests_in_progress() == 0
    fake.behaviour = allow
    fake.release()
    assert ask(nginx).status == 200


def test_a_client_that_leaves_before_its_check_is_sent(nginx, fake):
    fake.behaviour = never_acknowledge
    first = Later(nginx)
    fake.wait_for_checks(1)
    # The next check has to wait for the acknowledgement of the first.
    connection = open_socket(nginx)
    connection.sendall(REQUEST)
    wait_until(lambda: nginx.requests_in_progress() == 2, "nginx has read the second request")
    connection.close()
    wait_until(lambda: logged(nginx, 499) == 1, "nginx notices that the client has left")
    fake.behaviour = allow
    fake.connection.respond([], ack=True)
    fake.release()
    assert first.answer().status == 200
    assert ask(nginx).status == 200


def test_a_client_that_sends_its_next_request_already_has_not_left(nginx, fake):
    with open_socket(nginx) as connection:
        connection.sendall(REQUEST)
        fake.wait_for_checks(1)
        connection.sendall(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        fake.release()
        fake.wait_for_checks(2)
        fake.release()
        assert read_until_close(connection).count(b"HTTP/1.1 200 ") == 2
    assert logged(nginx, 499) == 0


def test_a_client_that_leaves_while_it_sends_a_body(nginx, fake):
    connection = open_socket(nginx)
    connection.sendall(b"POST /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    fake.wait_for_checks(1)
    connection.close()
    fake.behaviour = allow
    fake.release()
    wait_until(lambda: nginx.requests_in_progress() == 0, "nginx gives the request up")
    assert ask(nginx).status == 200


def test_http_2_streams_that_are_reset_leave_the_connection_usable(nginx, fake):
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    headers = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "x")]
    with socket.create_connection((nginx.host, nginx.h2_port), timeout=30) as connection:
        client.initiate_connection()
        streams = range(1, 41, 2)
        for stream in streams:
            client.send_headers(stream, headers, end_stream=True)
        connection.sendall(client.data_to_send())
        fake.wait_for_checks(20)
        for stream in list(streams)[:10]:
            client.reset_stream(stream)
        connection.sendall(client.data_to_send())
        wait_until(lambda: logged(nginx, 499) == 10, "nginx notices the resets")
        fake.release()
        ended = set()
        while len(ended) < 10:
            events = client.receive_data(connection.recv(65536))
            ended |= {event.stream_id for event in events
                      if isinstance(event, h2.events.StreamEnded)}
    assert ended == set(list(streams)[10:])


def test_clients_that_come_and_leave_all_the_time_leak_nothing(stack):
    fake = stack.fake_sidecar(behaviour=hold)
    nginx = stack.nginx(SERVER, sidecar=fake)
    for turn in range(20):
        connections = [open_socket(nginx) for _ in range(20)]
        for connection in connections:
            connection.sendall(REQUEST)
        fake.wait_for_checks(20 * (turn + 1))
        for connection in connections[::2]:
            reset(connection)
        fake.release()
        for connection in connections[1::2]:
            assert b" 200 " in connection.recv(65536)
            connection.close()
    wait_until(lambda: nginx.requests_in_progress() == 0, "nginx has nothing left to do")
