"""A sidecar that does what a test tells it to, and what no real one would.

It speaks quota.v1 over HTTP/2 by means of the h2 library, so that a test decides about every frame:
verdicts that come late, out of order or never, GOAWAY, RST_STREAM, garbage.
"""

import contextlib
import os
import select
import socket
import struct
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from quota.v1 import quota_pb2

from harness.process import wait_until


def allowed(check):
    """The verdict on a check by a free consumer who has 42 left."""
    return quota_pb2.Verdict(
        id=check.id, outcome=quota_pb2.ALLOWED, reason="ok", consumer=b"someone", tier="free",
        endpoint="default", cost_milli=1000,
        minute=quota_pb2.Limit(limit=100, remaining=42, reset_unix_ms=4_000_000_000_000,
                               window_s=60),
        month=quota_pb2.Limit(limit=50000, remaining=49000, reset_unix_ms=4_000_000_000_000,
                              window_s=2_592_000))


def denied(check):
    verdict = allowed(check)
    verdict.outcome = quota_pb2.DENIED
    verdict.reason = "minute"
    verdict.minute.remaining = 0
    verdict.retry_after_ms = 1500
    return verdict


# What to do with a batch: called as behaviour(connection, request).

def allow(connection, request):
    connection.respond([allowed(check) for check in request.checks], ack=True)


def deny(connection, request):
    connection.respond([denied(check) for check in request.checks], ack=True)


def hold(connection, request):
    """Acknowledges; the verdicts wait for FakeSidecar.release()."""
    connection.sidecar.keep(connection, request.checks)
    connection.respond([], ack=True)


def never_acknowledge(connection, request):
    """As hold, but without an acknowledgement: the worker may send no further batch."""
    connection.sidecar.keep(connection, request.checks)


def ignore(_connection, _request):
    """Reads, and says nothing at all."""


class Connection(threading.Thread):
    """One connection of one worker."""

    def __init__(self, sidecar, client):
        super().__init__(daemon=True)
        self.sidecar = sidecar
        self.stream_id = None  # of the Decide call
        self.stream_headers = {}
        self._socket = client
        self._lock = threading.RLock()
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None))
        self._received = {}
        self._unsent = b""

    # -- what a test may do

    def respond(self, verdicts, ack=False):
        message = quota_pb2.DecideResponse(verdicts=verdicts, ack=ack).SerializeToString()
        self.send_message(message)

    def send_message(self, message, length=None):
        """Any bytes as one gRPC message; `length` lets its header lie."""
        header = struct.pack(">BI", 0, len(message) if length is None else length)
        with self._lock:
            self._unsent += header + message
            self._send_what_fits()

    def finish(self, status=0):
        """Ends the call with a gRPC status."""
        with self._lock:
            self._h2.send_headers(self.stream_id, [("grpc-status", str(status))], end_stream=True)
            self._flush()

    def reset_stream(self, code=0):
        with self._lock:
            self._h2.reset_stream(self.stream_id, code)
            self._flush()

    def go_away(self, last_stream_id=None):
        """Says GOAWAY and keeps the connection open."""
        with self._lock:
            self._h2.close_connection(last_stream_id=last_stream_id)
            self._flush()

    def send_raw(self, data):
        with self._lock, contextlib.suppress(OSError):
            self._socket.sendall(data)

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    # -- what it does by itself

    def run(self):
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            with self._lock:
                self._h2.initiate_connection()
                self._flush()
            while True:
                data = self._socket.recv(65536)
                if not data:
                    break
                with self._lock:
                    for event in self._h2.receive_data(data):
                        self._handle(event)
                    self._flush()
        self._socket.close()
        self.sidecar.forget(self)

    def _handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event.stream_id, dict(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            # Without credit the worker's window runs full.
            if self.sidecar.gives_credit:
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self._take(event.stream_id, event.data)
        elif isinstance(event, h2.events.WindowUpdated):
            self._send_what_fits()

    def _begin(self, stream_id, headers):
        assert headers[b":path"] == b"/quota.v1.QuotaService/Decide", headers
        self.stream_id = stream_id
        self.stream_headers = headers
        self._unsent = b""
        self.sidecar.note_stream(self)
        self._h2.send_headers(
            stream_id, [(":status", "200"), ("content-type", "application/grpc")])

    def _take(self, stream_id, data):
        buffer = self._received.get(stream_id, b"") + data
        while len(buffer) >= 5:
            length = struct.unpack(">I", buffer[1:5])[0]
            if len(buffer) < 5 + length:
                break
            request = quota_pb2.DecideRequest.FromString(buffer[5:5 + length])
            buffer = buffer[5 + length:]
            self.sidecar.note_request(request)
            self.sidecar.behaviour(self, request)
        self._received[stream_id] = buffer

    def _send_what_fits(self):
        while self._unsent and self.stream_id is not None:
            try:
                room = min(self._h2.local_flow_control_window(self.stream_id),
                           self._h2.max_outbound_frame_size)
                if room <= 0:
                    break
                self._h2.send_data(self.stream_id, self._unsent[:room])
            except h2.exceptions.ProtocolError:
                self._unsent = b""  # the stream is gone
                break
            self._unsent = self._unsent[room:]
        self._flush()

    def _flush(self):
        data = self._h2.data_to_send()
        if data:
            with contextlib.suppress(OSError):
                self._socket.sendall(data)


class FakeSidecar:
    """Listens on a unix socket. `behaviour` may be changed at any time."""

    def __init__(self, path, behaviour=allow):
        self.path = str(path)
        self.address = f"unix:{path}"
        self.behaviour = behaviour
        self.gives_credit = True
        self.accepted = 0  # connections, ever
        self._lock = threading.Lock()
        self._connections = []
        self._streams = 0
        self._requests = []
        self._kept = []
        self._wake = None  # a pipe; None while nobody listens
        self._acceptor = None

    # -- life

    def start(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        os.chmod(self.path, 0o666)
        listener.listen(128)
        self._wake = os.pipe()
        self._acceptor = threading.Thread(target=self._accept, args=(listener, self._wake[0]),
                                          daemon=True)
        self._acceptor.start()
        return self

    def stop(self):
        """Closes everything; the socket's file goes too."""
        if self._wake is None:
            return
        self.stop_listening()
        self.drop_connections()

    def stop_listening(self):
        """As stop(), but the connections there are stay."""
        os.unlink(self.path)
        os.close(self._wake[1])
        self._acceptor.join()
        self._wake = None

    def drop_connections(self):
        """Those that are open now; workers may come back at once."""
        dropped = self.connections
        for connection in dropped:
            connection.close()
        wait_until(lambda: not set(dropped) & set(self.connections),
                   "the fake sidecar closes its connections")
        with self._lock:
            self._kept.clear()

    # -- what it has seen

    @property
    def connections(self):
        with self._lock:
            return list(self._connections)

    @property
    def connection(self):
        """The only one, once its call has begun."""
        wait_until(lambda: self._streams > 0 and self.connections, "a worker connects")
        (connection,) = self.connections
        return connection

    @property
    def streams(self):
        """How many calls of Decide have begun."""
        with self._lock:
            return self._streams

    @property
    def requests(self):
        with self._lock:
            return list(self._requests)

    @property
    def checks(self):
        return [check for request in self.requests for check in request.checks]

    def wait_for_checks(self, count):
        wait_until(lambda: len(self.checks) >= count, f"{count} checks reach the sidecar")
        return self.checks

    # -- verdicts that wait

    def keep(self, connection, checks):
        with self._lock:
            self._kept += [(connection, check) for check in checks]

    def release(self, verdict=allowed, reverse=False):
        """Sends the verdicts on all checks that are held."""
        with self._lock:
            kept, self._kept = self._kept, []
        for connection, check in reversed(kept) if reverse else kept:
            connection.respond([verdict(check)])

    # -- called by connections

    def note_stream(self, _connection):
        with self._lock:
            self._streams += 1

    def note_request(self, request):
        with self._lock:
            self._requests.append(request)

    def forget(self, connection):
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)

    def _accept(self, listener, wake):
        while True:
            ready, _, _ = select.select([listener, wake], [], [])
            if wake in ready:  # its other end was closed
                os.close(wake)
                listener.close()
                return
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                connection = Connection(self, client)
                with self._lock:
                    self.accepted += 1
                    self._connections.append(connection)
                connection.start()
