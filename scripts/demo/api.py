#!/usr/bin/python3
"""The API of the demo: answers every request with a little JSON. Listens on a unix socket."""

import http.server
import json
import os
import socketserver
import sys

ANSWERS = {
    "/identify": {"match": "found", "score": 0.97},
    "/compare": {"same": True, "score": 0.93},
    "/batch": {"accepted": 12},
    "/health": {"status": "ok"},
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        found = ANSWERS.get(path)
        body = json.dumps(found or {"error": f"there is no {path}"}).encode() + b"\n"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def do_OPTIONS(self):
        self.send_response(204)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "X-API-Key")
        self.end_headers()

    def address_string(self):
        return "gateway"

    def log_message(self, *args):
        pass  # nginx writes the access log


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 512


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} SOCKET")
    with Server(sys.argv[1], Handler) as server:
        # nginx's workers may run as another user.
        os.chmod(sys.argv[1], 0o666)
        server.serve_forever()
