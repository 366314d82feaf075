"""The gateway of k8s/nginx-gateway as it is shipped: TLS, the headers of answers, logs, and what
becomes of requests when something is away or in the way."""

import json
import os
import pathlib
import socket
import ssl
import threading

import pytest

from harness.client import open_socket, read_until_close
from harness.nginx_gateway import NginxGateway
from harness.ports import ADDRESS
from harness.process import wait_until
from harness.quotad import Background
from harness.shipped import client_context


@pytest.fixture(name="gateway")
def fixture_gateway(stack):
    return NginxGateway(stack)


# -- TLS


def handshake(gateway, **settings):
    """The protocol, cipher and application protocol that are agreed on."""
    ciphers = settings.pop("ciphers", None)
    context = client_context(gateway.certificate, **settings)
    if ciphers:
        context.set_ciphers(ciphers)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(open_socket(gateway.nginx), server_hostname=ADDRESS) as tls:
        return tls.version(), tls.cipher()[0], tls.selected_alpn_protocol()


def test_tls_1_3_and_http_2_are_what_clients_get(gateway):
    version, _, application = handshake(gateway)
    assert (version, application) == ("TLSv1.3", "h2")


def test_tls_1_2_has_forward_secrecy(gateway):
    version, cipher, _ = handshake(gateway, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert version == "TLSv1.2"
    assert cipher.startswith("ECDHE-") and ("GCM" in cipher or "CHACHA20" in cipher)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
@pytest.mark.parametrize("settings", [
    {"minimum_version": ssl.TLSVersion.TLSv1_1, "maximum_version": ssl.TLSVersion.TLSv1_1,
     "ciphers": "ALL:@SECLEVEL=0"},
    {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-ECDSA-AES128-SHA"},
], ids=["old protocol", "old cipher"])
def test_old_tls_is_refused(gateway, settings):
    with pytest.raises(ssl.SSLError, match="ALERT"):
        handshake(gateway, **settings)


def test_plain_http_at_the_https_port_is_refused(gateway):
    with open_socket(gateway.nginx) as connection:
        connection.sendall(b"GET /identify HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 400 " in read_until_close(connection).splitlines()[0]
    assert not gateway.v1.received


# -- headers of answers

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HSTS = {"Strict-Transport-Security": "max-age=31536000"}


def use_up(gateway):
    gateway.ask_many(101, "/batch", key="acme-key")
    # What flows in meanwhile is 1.7 a second; this costs 2.
    return gateway.ask("/compare", key="acme-key")


def without_backend(gateway):
    gateway.v1.stop()
    return gateway.ask()


def with_a_large_body(gateway):
    return gateway.ask(method="POST", headers={"Content-Length": "20000000"})


# Each: how to get the answer, and its status.
ANSWERS = {
    "answered": (lambda gateway: gateway.ask(), 200),
    "an error of the backend": (lambda gateway: gateway.ask("/missing"), 404),
    "refused": (use_up, 429),
    "no backend": (without_backend, 502),
    "too large": (with_a_large_body, 413),
    "health": (lambda gateway: gateway.ask("/health"), 200),
    "redirected": (lambda gateway: gateway.ask("/v1"), 301),
}


@pytest.mark.parametrize("get, status", ANSWERS.values(), ids=ANSWERS.keys())
def test_every_answer_has_each_security_header_once(gateway, get, status):
    gateway.v1.answers["/missing"] = (404, b"nothing here")
    answer = get(gateway)
    assert answer.status == status
    for name, value in {**SECURITY_HEADERS, **HSTS}.items():
        assert answer.all(name) == [value], name
    assert answer.headers["Server"] == "nginx"


def test_plain_http_has_them_too_but_no_hsts(gateway):
    for path in ("/health", "/identify"):
        answer = gateway.ask_plainly(gateway.http_port, path)
        assert {name: answer.all(name) for name in SECURITY_HEADERS} == {
            name: [value] for name, value in SECURITY_HEADERS.items()}
        assert not answer.all("Strict-Transport-Security")


def test_headers_of_the_backend_do_not_loosen_those_of_the_gateway(stack):
    gateway = NginxGateway(stack)
    gateway.v1.headers = {"Content-Security-Policy": "default-src *", "X-Powered-By": "x",
                          "Strict-Transport-Security": "max-age=0", "X-RateLimit-Limit": "1"}
    answer = gateway.ask(key="acme-key")
    assert answer.all("Content-Security-Policy") == [SECURITY_HEADERS["Content-Security-Policy"]]
    assert answer.all("Strict-Transport-Security") == [HSTS["Strict-Transport-Security"]]
    assert answer.all("X-RateLimit-Limit") == ["100"]
    assert not answer.all("X-Powered-By")


# -- what nginx answers itself


def problem(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = json.loads(answer.body)
    assert body["status"] == answer.status
    return body["title"]


def test_without_a_backend_the_answer_is_a_problem_and_is_charged_once(gateway):
    gateway.v1.stop()
    answer = gateway.ask(key="acme-key")
    assert (answer.status, problem(answer)) == (502, "Bad gateway")
    assert len(answer.all("X-RateLimit-Limit")) == 1
    assert gateway.spent("acme") == 1


def test_a_body_that_is_too_large_costs_nothing(gateway):
    answer = gateway.ask(method="POST", key="acme-key", headers={"Content-Length": "20000000"})
    assert (answer.status, problem(answer)) == (413, "Content too large")
    assert gateway.spent("acme") == 0


def test_one_address_cannot_have_all_connections(stack):
    gateway = NginxGateway(stack, {"open_by_address 256;": "open_by_address 2;"})
    open_ones = [gateway.connect() for _ in range(2)]
    for connection in open_ones:
        # The body is still to come.
        connection.send("/identify", method="POST", key="busy-key",
                        headers={"Content-Length": "1"})
    wait_until(lambda: gateway.requests_in_progress() == 2, "two requests are under way")
    answer = gateway.ask(key="acme-key")
    assert (answer.status, problem(answer)) == (503, "Service unavailable")
    assert gateway.ask(key="acme-key", source="127.0.0.3").status == 200
    assert gateway.spent("acme") == 1
    for connection in open_ones:
        connection.close()


class Dropping:
    """A backend that reads a request and closes the connection."""

    def __init__(self):
        self._socket = socket.create_server((ADDRESS, 0))
        self.address = f"{ADDRESS}:{self._socket.getsockname()[1]}"
        self.requests = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(65536).split(b" ")[0])

    def stop(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.mark.parametrize("method, tries", [("GET", 2), ("PUT", 2), ("POST", 1), ("PATCH", 1)])
def test_only_what_may_be_repeated_is_tried_again(stack, method, tries):
    backend = Dropping()
    gateway = NginxGateway(stack, {"server api:80 ": f"server {backend.address} "})
    try:
        assert gateway.ask(method=method, key="acme-key").status == 502
    finally:
        backend.stop()
    assert backend.requests == [method.encode()] * tries
    assert gateway.spent("acme") == 1


def test_without_the_sidecar_requests_are_served_and_counted_by_address(gateway):
    gateway.quotad.kill()
    answers = [gateway.ask(key="acme-key") for _ in range(5)]
    assert [answer.status for answer in answers] == [200] * 5
    assert {line["quota"]["outcome"] for line in gateway.log_lines(5)} == {"local_allowed"}
    assert "quota: " in gateway.nginx.error_log()  # and says why, without a request
    assert "request:" not in gateway.nginx.error_log()
    assert gateway.ask("/health").status == 200


# -- logs

SECRETS = {"key": "acme-key", "token": "a.token.of-somebody", "query": "a-secret-in-the-query",
           "cookie": "a-cookie", "referer": "a-secret-of-a-page"}
SECRET_HEADERS = {"Authorization": f"Bearer {SECRETS['token']}",
                  "Cookie": f"session={SECRETS['cookie']}",
                  "Referer": f"https://example.com/?token={SECRETS['referer']}"}


def test_the_access_log_says_what_was_decided(gateway):
    gateway.ask("/v2/compare?q=1", key="acme-key", headers={"User-Agent": 'a "quoted"\t\\ name'})
    gateway.ask("/health")
    gateway.ask(source="127.0.0.3")
    first, second = gateway.log_lines(2)
    assert first["quota"] == {
        "outcome": "allowed", "reason": "ok", "consumer": "acme", "tier": "free",
        "endpoint": "/compare", "cost": "2", "limit": "100", "remaining": "98",
        "month_remaining": "49998", "time": first["quota"]["time"]}
    assert (first["status"], first["path"], first["backend"], first["backend_status"]) == (
        200, "/compare", "api_v2", "200")
    assert first["user_agent"] == 'a "quoted"\t\\ name'
    assert (second["remote_addr"], second["quota"]["tier"]) == ("127.0.0.3", "anonymous")


def test_no_log_has_a_secret(gateway, stack):
    path = f"/identify?apikey={SECRETS['query']}"
    gateway.ask_many(120, path, key=SECRETS["key"], headers=SECRET_HEADERS)
    gateway.ask("/identify", key="x" * 20000, headers=SECRET_HEADERS)  # too long for nginx
    gateway.ask_plainly(gateway.http_port, path, headers=SECRET_HEADERS)
    gateway.v2.stop()
    # Of a request that its backend fails nginx logs the query and the Referer.
    gateway.ask("/v2/identify", key="busy-key", headers={**SECRET_HEADERS, "Referer": ""})
    gateway.log_lines(122)
    logs = stack.logs()
    assert {"gateway/access.log", "gateway/conf/output.log"} <= set(logs)
    assert "connect() failed" in logs["gateway/conf/output.log"]
    for name, text in logs.items():
        found = [secret for secret in [*SECRETS.values(), "busy-key"] if secret in text]
        assert not found, f"{name} has {found}"


# -- the process


def test_it_is_not_root_and_writes_to_one_directory_only(gateway):
    gateway.ask(method="POST", body=b"x" * 200_000, key="acme-key")  # more than fits into memory
    for pid in [gateway.nginx.process.pid, *gateway.nginx.worker_pids()]:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert "\nUid:\t0\t" not in status
        for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(link)
            allowed = (str(gateway.nginx.writable), str(gateway.access_log_path), "/dev/null",
                       str(gateway.nginx.prefix / "output.log"))
            assert not target.startswith("/") or target.startswith(allowed), target


def test_nginx_finds_nothing_to_warn_of(gateway):
    code, said = gateway.nginx.test()
    assert code == 0, said
    # Of nginx 1.25.1 and newer; 1.22 knows no other way to say it.
    deprecated = 'the "listen ... http2" directive is deprecated'
    assert not [line for line in said.splitlines()
                if "[warn]" in line and deprecated not in line]


def test_a_reload_loses_nothing(gateway):
    asked = Background(lambda: gateway.ask(key="busy-key"), threads=3)
    for _ in range(3):
        gateway.nginx.reload()
    answers = asked.stop()
    assert len(answers) > 3
    assert {answer.status for answer in answers} == {200}
    assert gateway.spent("busy") == len(gateway.v1.received) == len(answers)


def test_a_request_that_is_under_way_is_answered_before_the_end(gateway):
    connection = gateway.connect()
    connection.send("/identify", method="POST", key="acme-key", headers={"Content-Length": "4"})
    wait_until(lambda: gateway.requests_in_progress() == 1, "the request is under way")
    gateway.nginx.quit()
    wait_until(lambda: not gateway.accepts(), "nothing new is accepted")
    connection.finish(b"body")
    answer = connection.receive()
    assert (answer.status, answer.body) == (200, b"upstream")
    assert gateway.nginx.process.wait() == 0
