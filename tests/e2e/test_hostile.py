"""Whatever a client sends harms only that client."""

import pytest
from quota.v1 import quota_pb2

from fake_sidecar import allowed
from harness.client import ask, at_once, exchange
from harness.nginx import CHECKED
from harness.process import wait_until
from harness.quotad import consumer, policy

EVERY_BYTE = bytes(range(256))
# What a header's value may hold on its way through nginx: all but NUL, CR and LF.
HEADER_BYTES = bytes(byte for byte in EVERY_BYTE if byte not in b"\0\r\n")
# What may stand in a request line: no control characters, no space, nothing that ends the path.
PATH_BYTES = bytes(byte for byte in EVERY_BYTE if byte > 32 and byte != 127 and byte not in b"?#%")

HOSTILE = {
    "path of every byte": b"GET /%s HTTP/1.1\r\nHost: x\r\n" % PATH_BYTES,
    "path of escaped bytes": b"GET /%ff%fe%80%c0%af HTTP/1.1\r\nHost: x\r\n",
    "path of invalid UTF-8": b"GET /\xff\xfe\xc0\x80 HTTP/1.1\r\nHost: x\r\n",
    "path of 4 KB": b"GET /%s HTTP/1.1\r\nHost: x\r\n" % (b"a" * 4000),
    "method nobody knows": b"BREW /identify HTTP/1.1\r\nHost: x\r\n",
    "key of every byte": b"GET /identify HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n" % HEADER_BYTES,
    "key of invalid UTF-8": b"GET /identify HTTP/1.1\r\nHost: x\r\nX-API-Key: \xc3\x28\xff\r\n",
    "key of 7 KB": b"GET /identify HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n" % (b"k" * 7000),
    "empty key": b"GET /identify HTTP/1.1\r\nHost: x\r\nX-API-Key:\r\n",
    "two keys": b"GET /identify HTTP/1.1\r\nHost: x\r\nX-API-Key: a\r\nX-API-Key: \xff\r\n",
    "attribute of every byte":
        b"GET /identify HTTP/1.1\r\nHost: x\r\nX-Country: %s\r\n" % HEADER_BYTES,
    "token of every byte": b"GET /identify HTTP/1.1\r\nHost: x\r\nX-Token: %s\r\n" % HEADER_BYTES,
    "token of dots": b"GET /identify HTTP/1.1\r\nHost: x\r\nX-Token: %s\r\n" % (b"." * 5000),
    "forged consumer": b"GET /identify HTTP/1.1\r\nHost: x\r\nX-Consumer: \xff\xfeinnocent\r\n",
}

LOCATION = f"""
    location / {{
        {CHECKED}
        quota_attribute country  $http_x_country;
        quota_attribute bearer   $http_x_token;
        quota_attribute consumer $http_x_consumer;
    }}
"""


def status_of(raw_answer):
    return int(raw_answer.split(None, 2)[1])


@pytest.fixture(name="nginx")
def fixture_nginx(stack):
    quotad = stack.quotad(policy([consumer("innocent", "pro")],
                                 anonymous={"requests_per_minute": 100_000}))
    # Were one batch lost, its requests would be denied with 503.
    return stack.nginx(LOCATION, sidecar=quotad, quota="quota_timeout 20s; quota_on_error deny;")


@pytest.mark.parametrize("request_head", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_request_is_decided_like_any_other(nginx, request_head):
    assert status_of(exchange(nginx, request_head + b"Connection: close\r\n\r\n")) == 200


@pytest.mark.parametrize("request_head", HOSTILE.values(), ids=HOSTILE.keys())
def test_innocents_at_the_same_time_are_not_harmed(nginx, request_head):
    def send(number):
        if number % 2:
            exchange(nginx, request_head + b"Connection: close\r\n\r\n")
            return None
        return ask(nginx, "/identify", key="innocent-key")

    answers = [answer for answer in at_once(40, send) if answer]
    assert [answer.status for answer in answers] == [200] * 20
    assert {answer.headers["X-Quota-Tier"] for answer in answers} == {"pro"}


def test_bytes_arrive_at_the_sidecar_as_they_were_sent(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(LOCATION, sidecar=fake)
    exchange(nginx, b"GET /%s HTTP/1.1\r\nHost: x\r\nX-API-Key: \x80%s\xff\r\nConnection: close"
             b"\r\n\r\n" % (PATH_BYTES, HEADER_BYTES))
    (check,) = fake.checks
    assert check.path == b"/" + PATH_BYTES
    assert check.api_key == b"\x80" + HEADER_BYTES + b"\xff"


def test_a_request_with_a_head_beyond_nginx_limits_never_reaches_the_sidecar(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(LOCATION, sidecar=fake)
    answer = exchange(nginx, b"GET / HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n\r\n" % (b"k" * 40_000))
    assert status_of(answer) == 400
    assert not fake.checks


def test_hostile_checks_in_one_message_leave_the_others_alone(stack):
    quotad = stack.quotad(policy([consumer("innocent", "pro")]))
    hostile = [
        {"path": EVERY_BYTE}, {"path": b""}, {"path": b"x" * 8192}, {"api_key": EVERY_BYTE},
        {"api_key": b"x" * 8192}, {"consumer": b"\xff"}, {"tier": b"\xff"},
        {"bearer": EVERY_BYTE}, {"bearer": b"a.b.c"}, {"client_ip": b""}, {"client_ip": b"123"},
        {"client_ip": b"x" * 1000}, {"attributes": {"": b"", "country": EVERY_BYTE}},
        {"method": ""}, {"method": "x" * 5000}, {"hits": 2**32 - 1},
    ]
    checks = []
    for number, fields in enumerate(hostile):
        fields = {"method": "GET", "path": b"/identify", "client_ip": b"\x7f\0\0\1", **fields}
        checks.append(quota_pb2.Check(id=2 * number, **fields))
        checks.append(quota_pb2.Check(id=2 * number + 1, method="GET", path=b"/identify",
                                      client_ip=b"\x7f\0\0\2", api_key=b"innocent-key"))
    with quotad.client().decide() as stream:
        stream.send(*checks)
        verdicts = stream.receive_verdicts(len(checks))
    innocent = [verdicts[2 * number + 1] for number in range(len(hostile))]
    assert {(verdict.outcome, verdict.consumer) for verdict in innocent} == {
        (quota_pb2.ALLOWED, b"innocent")}


def test_a_check_whose_strings_are_not_utf_8_leaves_the_others_alone(stack):
    # A protobuf library would not write such a message, but whoever is on the socket may.
    quotad = stack.quotad(policy([consumer("innocent", "pro")]))
    bad = quota_pb2.Check(id=1, method="AAAA", path=b"/identify", attributes={"BBBB": b"x"})
    good = quota_pb2.Check(id=2, method="GET", path=b"/identify", api_key=b"innocent-key")
    message = quota_pb2.DecideRequest(checks=[bad, good]).SerializeToString()
    with quotad.client().decide() as stream:
        stream.send_bytes(message.replace(b"AAAA", b"\xff\xfe\xc3\x28").replace(b"BBBB", b"\xff" * 4))
        verdicts = stream.receive_verdicts(2)
    assert verdicts[2].consumer == b"innocent"


def test_random_keys_leave_no_trace_in_the_number_of_subjects(stack):
    quotad = stack.quotad(policy())
    with quotad.client().decide() as stream:
        for batch in range(50):
            stream.send(*(quota_pb2.Check(id=number, method="GET", path=b"/identify",
                                          client_ip=b"\x7f\0\0\1",
                                          api_key=b"random-%d-%d" % (batch, number))
                          for number in range(1, 101)))
            stream.receive_verdicts(100)
    assert quotad.metrics().sum("quota_subjects") <= 1


def test_a_request_that_claims_a_consumer_is_not_believed_unless_the_policy_says_so(nginx):
    answer = ask(nginx, "/identify", headers={"X-Consumer": "innocent"})
    assert answer.headers["X-Quota-Tier"] == "anonymous"


def test_a_verdict_of_a_hostile_consumer_name_does_not_break_the_access_log(stack):
    def verdict(check):
        result = allowed(check)
        result.consumer = b'x" 200 \n\xff'
        return result

    fake = stack.fake_sidecar(behaviour=lambda connection, request: connection.respond(
        [verdict(check) for check in request.checks], ack=True))
    nginx = stack.nginx(LOCATION, sidecar=fake, http="""
        log_format hostile '$status "$quota_consumer"';
        access_log logs.txt hostile;""")
    assert ask(nginx).status == 200
    log = nginx.prefix / "logs.txt"
    wait_until(lambda: log.read_text(), "the request is logged")
    assert log.read_text() == '200 "x\\x22 200 \\x0A\\xFF"\n'
