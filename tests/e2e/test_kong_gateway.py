"""What k8s/api-gateway puts into Kong's nginx.conf, in a real nginx with the module. Lua stands in
for Kong's router, key-auth and request-transformer."""

import collections
import re
import time

import pytest
import yaml

from harness.client import exchange
from harness.kong_gateway import (DEPLOYMENT, FOLDER, MOUNTED, QUOTA_ENVIRONMENT, KongGateway,
                                  deployed_environment)
from harness.quotad import consumer, policy

# Of a request that nginx cannot read, Kong's handler is all that is checked.
ERROR_PAGES = {"path": "/kong_error_handler", "cost": 0}
ENDPOINTS = [{"path": "/compare", "cost": 2.0}, ERROR_PAGES]


def kong_policy(**sections):
    """Believes the gateway; quotad itself knows only `small`."""
    return policy([consumer("small", "free")], **{
        "identity": {"trust": ["consumer", "tier"]}, "endpoints": ENDPOINTS, **sections})


@pytest.fixture(name="kong")
def fixture_kong(stack):
    return KongGateway(stack, kong_policy())


def statuses(answers):
    return collections.Counter(answer.status for answer in answers)


def who(answer):
    return answer.headers["X-Quota-Tier"], answer.headers["X-RateLimit-Limit"]


STRANGER = ("anonymous", "30")


# -- the environment


def test_the_deployment_says_all_that_quotas_need():
    if not DEPLOYMENT.exists():
        pytest.skip(f"there is no {DEPLOYMENT.name} yet")
    said = deployed_environment()
    for name, value in QUOTA_ENVIRONMENT.items():
        if name != "KONG_NGINX_MAIN_LOAD_MODULE":  # the image has it
            assert said.get(name) == value, name


def test_every_file_that_is_included_is_there():
    for value in {**QUOTA_ENVIRONMENT, **deployed_environment()}.values():
        if value.startswith(MOUNTED):
            assert (FOLDER / value.removeprefix(MOUNTED)).is_file(), value


def test_the_policy_charges_nobody_for_what_kong_says_of_errors():
    path = FOLDER / "rate-limiting-configmap.yaml"
    if not path.exists():
        pytest.skip(f"there is no {path.name} yet")
    (text,) = (document["data"]["policy.yaml"] for document in yaml.safe_load_all(path.read_text())
               if document and document["metadata"]["name"] == "quota-policy")
    assert ERROR_PAGES in yaml.safe_load(text)["endpoints"]


def test_nginx_finds_nothing_to_warn_of(kong):
    code, said = kong.nginx.test()
    assert code == 0, said
    assert "[warn]" not in said


# -- who is charged, and how much


def test_the_consumer_and_the_tier_that_plugins_found_are_charged(kong):
    answer = kong.ask("/compare", key="acme-key")
    assert (answer.status, who(answer)) == (200, ("pro", "1000"))
    assert answer.headers["X-RateLimit-Remaining"] == "998"
    assert kong.spent("acme") == 2
    (received,) = kong.upstream.received
    assert received.headers["x-consumer-username"] == "acme"
    assert "apikey" not in received.headers


def test_150_requests_are_100_and_50(kong):
    begin = time.monotonic()
    answers = kong.ask_many(150, key="small-key")
    allowed = statuses(answers)[200]
    assert 100 <= allowed <= 100 + (time.monotonic() - begin) * 100 / 60
    assert statuses(answers) == {200: allowed, 429: 150 - allowed}
    assert statuses(answers[:100]) == {200: 100}
    # Who is refused pays nothing, and the backend hears nothing of it.
    assert kong.spent("small") == len(kong.upstream.received) == allowed


def test_without_a_tier_from_kong_it_is_that_of_quotad(kong):
    assert who(kong.ask(key="small-key")) == ("free", "100")


def test_a_consumer_without_a_username_is_limited_by_address(kong):
    answer = kong.ask(key="odd-key")
    assert (answer.status, who(answer)) == (200, STRANGER)


def test_strangers_have_a_limit_for_each_address(kong):
    answers = [kong.ask("/guests", source="127.0.0.3") for _ in range(40)]
    assert statuses(answers[:30]) == {200: 30}
    assert 429 in statuses(answers)
    assert who(answers[0]) == STRANGER
    assert kong.ask("/guests", source="127.0.0.4").status == 200
    # Kong's anonymous consumer is still what the backend is told.
    assert kong.upstream.received[0].headers["x-consumer-username"] == "anonymous"
    assert kong.spent("anonymous") == 0


def test_who_has_a_key_is_no_stranger_where_both_are_let_in(kong):
    assert who(kong.ask("/guests", key="acme-key")) == ("pro", "1000")


def test_the_address_comes_from_a_trusted_proxy_only(stack):
    kong = KongGateway(stack, kong_policy(), {
        "KONG_TRUSTED_IPS": "127.0.0.8/31", "KONG_REAL_IP_HEADER": "X-Forwarded-For",
        "KONG_REAL_IP_RECURSIVE": "on"})

    def ask_from(source, address):
        return kong.ask("/open", source=source, headers={"X-Forwarded-For": address})

    assert 429 in statuses(ask_from("127.0.0.9", "192.0.2.1") for _ in range(40))
    assert ask_from("127.0.0.9", "192.0.2.2").status == 200
    assert 429 in statuses(ask_from("127.0.0.3", f"192.0.2.{number}") for number in range(40))


# -- what clients say of themselves

FORGED = {
    "as Kong spells it": {"X-Consumer-Username": "acme", "X-Quota-Tier": "enterprise"},
    "in small letters": {"x-consumer-username": "acme", "x-quota-tier": "enterprise"},
    "with underscores": {"X_Consumer_Username": "acme", "X_Quota_Tier": "enterprise"},
    "with some underscores": {"x-consumer_username": "acme", "X_QUOTA-TIER": "enterprise"},
    "far behind": {**{f"X-Junk-{number}": "1" for number in range(120)},
                   "X-Consumer-Username": "acme", "X-Quota-Tier": "enterprise"},
}


@pytest.mark.parametrize("path", ["/open", "/guests"])
@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED.keys())
def test_a_consumer_that_the_client_names_is_not_believed(kong, headers, path):
    assert who(kong.ask(path, headers=headers)) == STRANGER
    assert kong.spent("acme") == 0
    # (Python's server takes no more than 100 headers.)
    assert all("enterprise" not in received.headers.values() for received in kong.upstream.received)


@pytest.mark.parametrize("path", ["/identify", "/unbuffered"])
@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED.keys())
def test_a_tier_that_the_client_names_is_not_believed(kong, headers, path):
    assert who(kong.ask(path, key="small-key", headers=headers)) == ("free", "100")
    assert who(kong.ask(path, key="acme-key", headers=headers)) == ("pro", "1000")
    assert (kong.spent("small"), kong.spent("acme")) == (1, 1)


def test_headers_sent_twice_are_gone_too(kong):
    answer = exchange(kong.nginx, b"GET /open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                      b"X-Consumer-Username: acme\r\nX-Consumer-Username: acme\r\n"
                      b"X-Quota-Tier: enterprise\r\nX_Quota_Tier: enterprise\r\n\r\n")
    assert b"X-Quota-Tier: anonymous" in answer
    assert kong.spent("acme") == 0


@pytest.mark.parametrize("name", ["X-Anonymous-Consumer", "X_Anonymous_Consumer"])
def test_who_has_a_key_cannot_pass_for_a_stranger(kong, name):
    assert who(kong.ask(key="small-key", headers={name: "true"})) == ("free", "100")


def test_other_headers_stay(kong):
    kong.ask("/open", headers={"X_Under_Score": "1", "X-Consumer": "2"})
    headers = kong.upstream.received[0].headers
    assert (headers["x_under_score"], headers["x-consumer"]) == ("1", "2")


# -- Kong's ways


def test_a_route_that_jumps_to_a_named_location_is_charged_once(kong):
    answer = kong.ask("/unbuffered", method="POST", body=b"x", key="acme-key")
    assert (answer.status, who(answer)) == (200, ("pro", "1000"))
    assert len(answer.all("X-RateLimit-Limit")) == 1
    assert kong.spent("acme") == 1
    (received,) = kong.upstream.received
    assert received.headers["x-consumer-username"] == "acme"
    assert received.headers["x-quota-tier"] == "pro"


def test_a_buffered_route_still_tells_the_backend_who_asks(kong):
    # Kong asks the backend in a subrequest, from within its access phase.
    assert kong.ask("/buffered", key="acme-key").status == 200
    (received,) = kong.upstream.received
    assert received.headers["x-consumer-username"] == "acme"
    assert received.headers["x-quota-tier"] == "pro"


def test_a_refusal_has_the_body_of_the_module(kong):
    refusal = kong.ask_many(101, "/compare", key="small-key")[-1]
    assert refusal.status == 429
    assert refusal.headers["Content-Type"] == "application/problem+json"
    assert b"quota-exceeded" in refusal.body
    # And what Kong adds to all answers, CORS for one.
    assert refusal.headers["X-Kong-Response-Latency"] == "1"


def test_what_a_plugin_refuses_or_answers_costs_nothing(kong):
    refused = kong.ask(key="no such key")
    preflight = kong.ask(key="small-key", method="OPTIONS")
    assert (refused.status, preflight.status) == (401, 200)
    for answer in (refused, preflight):
        assert "X-Quota-Tier" not in answer.headers
    assert kong.spent("small") == 0
    assert kong.quotad.metrics().sum("quota_decisions_total") == 0


def test_an_error_of_the_backend_is_told_by_kong_and_charged_once(kong):
    kong.upstream.stop()
    answer = kong.ask(key="small-key")
    assert answer.status == 502
    assert b"Kong's own words" in answer.body
    assert len(answer.all("X-RateLimit-Limit")) == 1
    assert kong.spent("small") == 1


def test_what_is_no_request_is_told_by_kong_and_charged_to_nobody(kong):
    for _ in range(40):
        answer = exchange(kong.nginx, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
        assert b" 400 " in answer.splitlines()[0] and b"Kong's own words" in answer
    assert kong.ask("/open").status == 200
    assert kong.quotad.metrics().sum("quota_decisions_total", outcome="denied") == 0


def test_without_the_sidecar_requests_are_served_and_counted_by_address(kong):
    kong.quotad.kill()
    assert statuses(kong.ask(key="acme-key") for _ in range(5)) == {200: 5}
    page = kong.ask_status("/gateway-metrics").body.decode()
    assert re.search(r'outcome="local_allowed"} 5\n', page)


def test_the_counters_are_on_the_status_port_only(kong):
    kong.ask(key="acme-key")
    page = kong.ask_status("/gateway-metrics")
    assert b'quota_gateway_requests_total{outcome="allowed"} 1\n' in page.body
    assert kong.ask("/gateway-metrics").status == 401  # like any other path of the API
