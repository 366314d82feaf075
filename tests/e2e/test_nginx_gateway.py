"""The gateway of k8s/nginx-gateway as it is shipped: whom it lets in, what it sends where, and what
that costs."""

import asyncio
import collections
import time

import httpx
import jwt
import pytest

from harness.nginx_gateway import JWT_SECRET, NginxGateway


@pytest.fixture(name="gateway")
def fixture_gateway(stack):
    return NginxGateway(stack)


def statuses(answers):
    return collections.Counter(answer.status for answer in answers)


def token(secret=JWT_SECRET, **claims):
    return jwt.encode({"exp": int(time.time()) + 600, **claims}, secret, "HS256")


def bearer(*words, **claims):
    return {"Authorization": f"Bearer {token(*words, **claims)}"}


# -- limits


def assert_100_and_50(gateway, begin, answers):
    """Of 150 requests of a new free consumer: 100, and what has flowed in since then."""
    allowed = collections.Counter(answers)[200]
    assert 100 <= allowed <= 100 + (time.monotonic() - begin) * 100 / 60
    assert collections.Counter(answers) == {200: allowed, 429: 150 - allowed}
    assert len(gateway.v1.received) == allowed
    assert gateway.spent("acme") == allowed


def test_150_requests_are_100_and_50(gateway):
    begin = time.monotonic()
    answers = gateway.ask_many(150, key="acme-key")
    assert_100_and_50(gateway, begin, [answer.status for answer in answers])
    assert statuses(answers[:100]) == {200: 100}
    assert answers[0].headers["X-RateLimit-Remaining"] == "99"
    refusal = answers[-1]
    assert refusal.headers["Content-Type"] == "application/problem+json"
    assert refusal.headers["Retry-After"]
    assert b"quota-exceeded" in refusal.body


def test_the_limits_hold_over_http_2(gateway):
    async def ask_all():
        async with httpx.AsyncClient(http1=False, http2=True, verify=gateway.context,
                                     timeout=60) as client:
            return await asyncio.gather(*(
                client.get(f"{gateway.url}/identify", headers={"X-API-Key": "acme-key"})
                for _ in range(150)))

    begin = time.monotonic()
    answers = asyncio.run(ask_all())
    assert {answer.http_version for answer in answers} == {"HTTP/2"}
    assert_100_and_50(gateway, begin, [answer.status_code for answer in answers])


@pytest.mark.parametrize("path", ["/compare", "/v1/compare", "/v2/compare", "/%76%32/comp%61re",
                                  "/v2/x/../compare", "/v1//compare"])
def test_a_request_costs_the_same_by_every_way_to_it(gateway, path):
    answer = gateway.ask(path, key="acme-key")
    assert answer.status == 200
    assert gateway.spent("acme") == 2


def test_strangers_are_limited_by_address(gateway):
    answers = [gateway.ask(source="127.0.0.3") for _ in range(40)]
    assert statuses(answers[:30]) == {200: 30}
    assert 429 in statuses(answers)
    assert gateway.ask(source="127.0.0.4").status == 200


# -- who asks


def who(answer):
    return answer.headers["X-Quota-Tier"], answer.headers["X-RateLimit-Limit"]


def test_a_token_that_verifies_is_the_consumer_that_it_names(gateway):
    answer = gateway.ask(headers=bearer(sub="acme", tier="pro"))
    assert who(answer) == ("pro", "1000")
    assert gateway.spent("acme") == 1
    (received,) = gateway.v1.received
    assert received.headers["x-consumer-id"] == "acme"
    assert received.headers["x-quota-tier"] == "pro"


WRONG_TOKENS = {
    "expired": bearer(sub="acme", exp=int(time.time()) - 60),
    "forged": bearer("another secret that is long enough", sub="acme"),
    "of another scheme": {"Authorization": "Basic YWNtZTphY21l"},
    "no token": {"Authorization": "Bearer x"},
}


@pytest.mark.parametrize("headers", WRONG_TOKENS.values(), ids=WRONG_TOKENS.keys())
def test_a_token_that_does_not_verify_is_a_stranger(gateway, headers):
    answer = gateway.ask(headers=headers)
    assert answer.status == 200
    assert who(answer) == ("anonymous", "30")
    assert "x-consumer-id" not in gateway.v1.received[0].headers


@pytest.mark.parametrize("name", ["expired", "forged"])
def test_a_token_that_does_not_verify_can_be_rejected(stack, name):
    gateway = NginxGateway(stack, identity={"unknown_credentials": "reject"})
    answer = gateway.ask(headers=WRONG_TOKENS[name])
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Security-Policy"]
    assert not gateway.v1.received
    assert gateway.ask(headers=bearer(sub="acme")).status == 200


def test_a_client_cannot_tell_the_backend_who_it_is(gateway):
    gateway.ask(source="127.0.0.3", headers={
        "X-Consumer-ID": "acme", "X-Quota-Tier": "enterprise", "X-Forwarded-For": "192.0.2.1",
        "X-Real-IP": "192.0.2.1", "Forwarded": "for=192.0.2.1"})
    headers = gateway.v1.received[0].headers
    assert "x-consumer-id" not in headers and "forwarded" not in headers
    assert headers["x-quota-tier"] == "anonymous"
    assert headers["x-forwarded-for"] == headers["x-real-ip"] == "127.0.0.3"


def test_an_address_in_a_header_is_not_believed(gateway):
    answers = [gateway.ask(source="127.0.0.3", headers={"X-Forwarded-For": f"192.0.2.{number}"})
               for number in range(40)]
    assert 429 in statuses(answers)


def test_a_trusted_proxy_says_which_address_a_client_has(stack):
    gateway = NginxGateway(stack, trusted="set_real_ip_from 127.0.0.8/31;\n")
    # The client wrote the first address itself; the proxies added the others.
    chain = {"X-Forwarded-For": "192.0.2.9, 192.0.2.1, 127.0.0.8"}
    assert 429 in statuses(gateway.ask(source="127.0.0.9", headers=chain) for _ in range(40))
    assert gateway.v1.received[0].headers["x-forwarded-for"] == "192.0.2.1"
    other = {"X-Forwarded-For": "192.0.2.9, 192.0.2.2, 127.0.0.8"}
    assert gateway.ask(source="127.0.0.9", headers=other).status == 200


# -- where requests go


@pytest.mark.parametrize("path, version, backend, received", [
    ("/identify?q=1", None, "v1", "/identify?q=1"),
    ("/identify", "1", "v1", "/identify"),
    ("/identify", "2", "v2", "/identify"),
    ("/identify", "3", "v1", "/identify"),
    ("/v1/identify?q=1", None, "v1", "/identify?q=1"),
    ("/v2/identify?q=1&q=2", None, "v2", "/identify?q=1&q=2"),
    ("/v2/identify", "1", "v2", "/identify"),
    ("/v1/", None, "v1", "/"),
    ("/v2/a%0Ab%20c", None, "v2", "/a%0Ab%20c"),
    ("/v3/identify", None, "v1", "/v3/identify"),
])
def test_requests_go_to_their_backend(gateway, path, version, backend, received):
    headers = {"X-API-Version": version} if version else {}
    assert gateway.ask(path, headers=headers).status == 200
    paths = {name: [request.path for request in upstream.received]
             for name, upstream in (("v1", gateway.v1), ("v2", gateway.v2))}
    assert paths == {**{"v1": [], "v2": []}, backend: [received]}


def test_health_is_not_charged_and_needs_nobody(gateway):
    gateway.v1.stop()
    gateway.v2.stop()
    for answer in gateway.ask_many(40, "/health", key="acme-key"):
        assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
        assert "X-Quota-Tier" not in answer.headers
    assert gateway.spent("acme") == 0
    gateway.quotad.kill()
    assert gateway.ask("/health").status == 200
    assert gateway.ask_plainly(gateway.http_port, "/health").status == 200


def test_plain_http_is_sent_to_https(gateway):
    answer = gateway.ask_plainly(gateway.http_port, "/identify?a=1", method="POST",
                                 headers={"Host": "api.example.com"})
    assert answer.status == 308
    assert answer.headers["Location"] == "https://api.example.com/identify?a=1"
    assert not gateway.v1.received


def test_metrics_are_on_the_internal_port_only(gateway):
    gateway.ask_many(3, key="acme-key")
    page = gateway.ask_plainly(gateway.internal_port, "/gateway-metrics").body
    assert b'quota_gateway_requests_total{outcome="allowed"} 3\n' in page
    assert b"Active connections" in gateway.ask_plainly(gateway.internal_port, "/stub-status").body
    assert gateway.ask_plainly(gateway.internal_port, "/identify").status == 404
    for path in ("/gateway-metrics", "/stub-status"):
        assert gateway.ask(path).body == b"upstream"  # like any other path of the API
        assert gateway.ask_plainly(gateway.http_port, path).status == 308
