"""Who a request is charged to, from what the gateway sends about it."""

import time

import jwt
import pytest
from quota.v1 import quota_pb2

from harness.client import ask
from harness.nginx import CHECKED
from harness.process import wait_until
from harness.quotad import consumer, policy

SECRET = "a secret that is long enough for HMAC"
ATTRIBUTES = """
    quota_attribute bearer   $http_x_token;
    quota_attribute consumer $http_x_consumer;
    quota_attribute tier     $http_x_tier;
    quota_attribute country  $http_x_country;
"""


@pytest.fixture(name="start")
def fixture_start(stack):
    """A gateway and a quotad with these sections in its policy."""
    key_file = stack.workdir / "jwt.key"
    key_file.write_text(SECRET)

    def start(identity=None, **sections):
        identity = {"jwt": {"algorithm": "HS256", "key_file": str(key_file)}, **(identity or {})}
        quotad = stack.quotad(policy([consumer("acme", "pro"), consumer("small", "free")],
                                     identity=identity, **sections))
        return stack.nginx(f"""location / {{
            {CHECKED} {ATTRIBUTES} add_header X-Consumer $quota_consumer always; }}""",
                           sidecar=quotad)

    return start


def who(answer):
    return answer.headers.get("X-Consumer", ""), answer.headers["X-Quota-Tier"]


def token(claims, secret=SECRET, algorithm="HS256"):
    claims = {"exp": int(time.time()) + 600, **claims}
    return jwt.encode({name: value for name, value in claims.items() if value is not None},
                      secret, algorithm)


ANONYMOUS = ("", "anonymous")


def test_a_known_key_is_its_consumer(start):
    assert who(ask(start(), "/identify", key="acme-key")) == ("acme", "pro")


def test_a_token_is_the_consumer_it_names(start):
    answer = ask(start(), "/identify", headers={"X-Token": token({"sub": "acme"})})
    assert who(answer) == ("acme", "pro")


def test_a_token_may_name_a_tier_for_a_consumer_nobody_knows(start):
    answer = ask(start(), "/identify", headers={"X-Token": token({"sub": "guest", "tier": "pro"})})
    assert who(answer) == ("guest", "pro")


@pytest.mark.parametrize("claims, how", [
    ({"sub": "acme"}, {"secret": "another secret, long enough as well"}),
    ({"sub": "acme", "exp": 1_000_000_000}, {}),
    ({"sub": "acme", "exp": None}, {}),
    ({"sub": "acme", "nbf": 4_000_000_000}, {}),
    ({"tier": "pro"}, {}),
    ({"sub": "acme"}, {"secret": None, "algorithm": "none"}),
    ({"sub": "acme"}, {"algorithm": "HS512"}),
], ids=["wrong secret", "expired", "no expiry", "not yet valid", "no subject", "no signature", "other algorithm"])
def test_a_token_that_does_not_verify_is_nobody(start, claims, how):
    answer = ask(start(), "/identify", headers={"X-Token": token(claims, **how)})
    assert who(answer) == ANONYMOUS


def test_a_token_that_expires_stops_working(start):
    nginx = start()
    headers = {"X-Token": token({"sub": "acme", "exp": int(time.time()) + 3})}

    def seen():
        return who(ask(nginx, "/health", headers=headers))

    assert seen() == ("acme", "pro")  # from now on it is in the cache
    wait_until(lambda: seen() == ANONYMOUS, "the token expires")


def test_a_trusted_consumer_is_believed(start):
    nginx = start({"trust": ["consumer"]})
    assert who(ask(nginx, "/identify", headers={"X-Consumer": "acme"})) == ("acme", "pro")


def test_a_consumer_is_not_believed_unless_trusted(start):
    assert who(ask(start(), "/identify", headers={"X-Consumer": "acme"})) == ANONYMOUS


def test_a_tier_is_not_believed_unless_trusted(start):
    nginx = start({"trust": ["consumer"]})
    answer = ask(nginx, "/identify", headers={"X-Consumer": "small", "X-Tier": "enterprise"})
    assert who(answer) == ("small", "free")


def test_the_trusted_consumer_comes_before_token_and_key(start):
    nginx = start({"trust": ["consumer"]})
    answer = ask(nginx, "/identify", key="acme-key",
                 headers={"X-Consumer": "small", "X-Token": token({"sub": "acme"})})
    assert who(answer) == ("small", "free")


def test_the_token_comes_before_the_key(start):
    answer = ask(start(), "/identify", key="acme-key",
                 headers={"X-Token": token({"sub": "small"})})
    assert who(answer) == ("small", "free")


def test_a_bad_token_falls_back_to_the_key(start):
    answer = ask(start(), "/identify", key="acme-key", headers={"X-Token": "x.y.z"})
    assert who(answer) == ("acme", "pro")


@pytest.mark.parametrize("credentials", [{"key": "unknown"}, {"headers": {"X-Token": "x.y.z"}}],
                         ids=["key", "token"])
def test_unknown_credentials_can_be_rejected(start, credentials):
    nginx = start({"unknown_credentials": "reject"})
    assert ask(nginx, "/identify", **credentials).status == 401


def test_no_credentials_are_not_unknown_ones(start):
    nginx = start({"unknown_credentials": "reject"})
    assert who(ask(nginx, "/identify")) == ANONYMOUS


def test_an_address_on_the_allowlist_gets_its_own_limit(start):
    nginx = start(anonymous={"requests_per_minute": 30, "allowlist": {
        "cidrs": ["127.0.0.0/28"], "requests_per_minute": 777}})
    assert ask(nginx, "/identify", source="127.0.0.9").headers["X-RateLimit-Limit"] == "777"
    assert ask(nginx, "/identify", source="127.0.0.99").headers["X-RateLimit-Limit"] == "30"


def test_an_attribute_can_change_the_limit(start):
    nginx = start(overrides_by_attribute=[
        {"attribute": "country", "equals": "XX", "requests_per_minute": 10}])
    abroad = ask(nginx, "/identify", key="acme-key", headers={"X-Country": "XX"})
    at_home = ask(nginx, "/identify", key="small-key", headers={"X-Country": "CH"})
    assert abroad.headers["X-RateLimit-Limit"] == "10"
    assert at_home.headers["X-RateLimit-Limit"] == "100"


def test_ipv6_addresses_of_one_network_share_a_bucket(stack):
    quotad = stack.quotad()

    def spend(address, count):
        return quotad.check(method="GET", path=b"/identify", client_ip=address, hits=count).outcome

    network = bytes.fromhex("20010db800000001")
    assert spend(network + bytes(7) + b"\x01", 30) == quota_pb2.ALLOWED
    assert spend(network + bytes(7) + b"\x02", 30) == quota_pb2.DENIED
    assert spend(bytes.fromhex("20010db800000002") + bytes(8), 30) == quota_pb2.ALLOWED
