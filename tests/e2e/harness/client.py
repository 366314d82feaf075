"""HTTP clients: from one request to bytes that no library would send."""

import concurrent.futures
import dataclasses
import http.client
import re
import socket

from harness.environment import PATIENCE


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage  # get() and get_all(), without regard to case
    body: bytes

    def all(self, name):
        return self.headers.get_all(name) or []


class Connection:
    """A kept-alive connection to an nginx; one request at a time."""

    def __init__(self, nginx, source=None, timeout=60):
        self._connection = http.client.HTTPConnection(
            nginx.host, nginx.port, timeout=timeout,
            source_address=(source, 0) if source else None)

    def send(self, path, method="GET", key=None, headers=None, body=None, chunked=False):
        """Sends without waiting for the answer."""
        headers = dict(headers or {})
        if key is not None:
            headers["X-API-Key"] = key
        self._connection.request(method, path, body=body, headers=headers, encode_chunked=chunked)

    def receive(self):
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def ask(self, path, **how):
        self.send(path, **how)
        return self.receive()

    def close(self):
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(nginx, path="/", source=None, **how):
    """One request over a connection of its own."""
    with Connection(nginx, source) as connection:
        return connection.ask(path, **how)


def ask_many(nginx, count, path="/", **how):
    """In a row over one connection."""
    with Connection(nginx) as connection:
        return [connection.ask(path, **how) for _ in range(count)]


def at_once(count, function):
    """Calls function(0) ... function(count - 1) in threads, and returns their results in order."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, range(count)))


class Later:
    """A request whose answer is fetched later, so that it can be watched while it waits."""

    def __init__(self, nginx, path="/", **how):
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._future = self._pool.submit(ask, nginx, path, **how)

    @property
    def is_done(self):
        return self._future.done()

    def answer(self):
        result = self._future.result(PATIENCE + 30)
        self._pool.shutdown()
        return result


def open_socket(nginx):
    return socket.create_connection((nginx.host, nginx.port), timeout=PATIENCE)


def read_until_close(connection):
    data = b""
    while True:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece


def exchange(nginx, data):
    """Sends these bytes, and returns everything until nginx closes the connection."""
    with open_socket(nginx) as connection:
        connection.sendall(data)
        return read_until_close(connection)


_ITEM = re.compile(r'"([^"\\]*)"((?:;[a-z*][a-z0-9_.*-]*(?:=(?:-?[0-9]{1,15}|"[^"\\]*"))?)*)')


def parse_structured_list(text):
    """A structured-field list (RFC 9651) of strings with integer parameters, as the rate-limit
    fields are: {"minute": {"r": 42, "t": 18}}. Fails on anything else."""
    members = {}
    position = 0
    while position < len(text):
        match = _ITEM.match(text, position)
        assert match, f"not a structured field list: {text!r} at {position}"
        parameters = (part.split("=", 1) for part in match[2].split(";")[1:])
        members[match[1]] = {name: int(value) for name, value in parameters}
        position = match.end()
        if position < len(text):
            separator = re.compile(r"[ \t]*,[ \t]*(?=.)").match(text, position)
            assert separator, f"not a structured field list: {text!r} at {position}"
            position = separator.end()
    assert members, "an empty list is sent by leaving the field out"
    return members
