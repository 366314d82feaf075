"""An HTTP server behind nginx that remembers what reached it."""

import dataclasses
import http.server
import threading

from harness.ports import ADDRESS
from harness.process import wait_until


@dataclasses.dataclass
class Received:
    method: str
    path: str
    headers: dict  # names in lower case
    body: bytes


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Or the body of each answer waits 40 ms for the client to have noticed the headers.
    disable_nagle_algorithm = True

    def handle_any(self):
        body = self._read_body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.upstream.note(Received(self.command, self.path, headers, body))
        status, answer = self.server.upstream.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(answer)))
        for name, value in self.server.upstream.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _read_body(self):
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = handle_any

    def log_message(self, *args):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


class Upstream:
    """Answers 200 and "upstream", or what `answers` says for a path: a status and a body. Every
    answer has these `headers`."""

    def __init__(self):
        self.answers = {}
        self.headers = {}
        self._received = []
        self._lock = threading.Lock()
        self._server = _Server((ADDRESS, 0), _Handler)
        self._server.upstream = self
        self.address = f"{ADDRESS}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def note(self, received):
        with self._lock:
            self._received.append(received)

    def answer(self, path):
        return self.answers.get(path.partition("?")[0], (200, b"upstream"))

    @property
    def received(self):
        with self._lock:
            return list(self._received)

    def wait_for(self, count):
        wait_until(lambda: len(self.received) >= count, f"{count} requests reach the upstream")
        return self.received

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
