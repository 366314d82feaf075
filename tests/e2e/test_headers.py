"""The headers and bodies that clients see."""

import json
import time

import pytest

from fake_sidecar import allowed, allow, denied, deny
from harness.client import ask, exchange, parse_structured_list
from harness.nginx import CHECKED
from quota.v1 import quota_pb2

LEGACY = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]
IETF = ["RateLimit-Policy", "RateLimit"]
EVERY = LEGACY + IETF + ["X-Quota-Tier", "X-Quota-Monthly-Remaining"]


def gateway(stack, behaviour=allow, location="", server=""):
    return stack.nginx(f"location / {{ {CHECKED} {location} }} {server}",
                       sidecar=stack.fake_sidecar(behaviour=behaviour))


def answering(make_verdict):
    return lambda connection, request: connection.respond(
        [make_verdict(check) for check in request.checks], ack=True)


def present(answer, names):
    return [name for name in names if answer.all(name)]


@pytest.mark.parametrize("behaviour", [allow, deny], ids=["allowed", "denied"])
def test_every_header_is_sent_exactly_once(stack, behaviour):
    answer = ask(gateway(stack, behaviour))
    assert {name: len(answer.all(name)) for name in EVERY} == dict.fromkeys(EVERY, 1)


def test_the_legacy_headers_say_what_the_verdict_says(stack):
    headers = ask(gateway(stack)).headers
    assert [headers[name] for name in LEGACY] == ["100", "42", "4000000000"]
    assert headers["X-Quota-Tier"] == "free"
    assert headers["X-Quota-Monthly-Remaining"] == "49000"


def test_the_ietf_policy_is_a_structured_field_with_both_limits(stack):
    text = ask(gateway(stack)).headers["RateLimit-Policy"]
    assert parse_structured_list(text) == {
        "minute": {"q": 100, "w": 60}, "month": {"q": 50000, "w": 2592000}}


def test_the_ietf_rate_limit_counts_seconds_until_the_reset(stack):
    def verdict(check):
        result = allowed(check)
        result.minute.reset_unix_ms = int(time.time() * 1000) + 18_000
        return result

    minute = parse_structured_list(
        ask(gateway(stack, answering(verdict))).headers["RateLimit"])["minute"]
    assert minute["r"] == 42
    assert 10 <= minute["t"] <= 18


@pytest.mark.parametrize("mode, shown, hidden", [
    ("legacy", LEGACY, IETF), ("ietf", IETF, LEGACY), ("both", LEGACY + IETF, []),
    ("off", [], EVERY)])
@pytest.mark.parametrize("behaviour", [allow, deny], ids=["allowed", "denied"])
def test_quota_headers_chooses_the_kind_of_headers(stack, behaviour, mode, shown, hidden):
    answer = ask(gateway(stack, behaviour, f"quota_headers {mode};"))
    assert present(answer, shown) == shown
    assert not present(answer, hidden)


def test_an_unlimited_tier_carries_only_its_name(stack):
    def verdict(check):
        return quota_pb2.Verdict(id=check.id, outcome=quota_pb2.ALLOWED, reason="unlimited",
                                 consumer=b"big", tier="enterprise", endpoint="default")

    answer = ask(gateway(stack, answering(verdict)))
    assert present(answer, EVERY) == ["X-Quota-Tier"]
    assert answer.headers["X-Quota-Tier"] == "enterprise"


def test_a_subject_without_a_month_has_no_monthly_headers(stack):
    def verdict(check):
        result = allowed(check)
        result.ClearField("month")
        return result

    answer = ask(gateway(stack, answering(verdict)))
    assert not answer.all("X-Quota-Monthly-Remaining")
    assert set(parse_structured_list(answer.headers["RateLimit-Policy"])) == {"minute"}


def test_remaining_is_never_above_the_limit(stack):
    def verdict(check):
        result = allowed(check)
        result.minute.remaining = 150  # a full bucket with burst
        return result

    assert ask(gateway(stack, answering(verdict))).headers["X-RateLimit-Remaining"] == "100"


@pytest.mark.parametrize("content, status", [
    ("root /nonexistent;", 404), ("proxy_pass http://127.0.0.1:1;", 502)], ids=["404", "502"])
def test_errors_behind_the_check_carry_the_headers_once(stack, content, status):
    nginx = stack.nginx(f"location / {{ quota on; {content} }}", sidecar=stack.fake_sidecar())
    answer = ask(nginx)
    assert answer.status == status
    assert {name: len(answer.all(name)) for name in EVERY} == dict.fromkeys(EVERY, 1)


def test_a_denial_says_when_to_come_back_and_is_not_cached(stack):
    answer = ask(gateway(stack, deny))
    assert answer.status == 429
    assert answer.all("Retry-After") == ["2"]  # 1.5 s, rounded up
    assert answer.all("Cache-Control") == ["no-store"]


@pytest.mark.parametrize("milliseconds, seconds", [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")])
def test_retry_after_is_rounded_up_and_at_least_one(stack, milliseconds, seconds):
    def verdict(check):
        result = denied(check)
        result.retry_after_ms = milliseconds
        return result

    assert ask(gateway(stack, answering(verdict))).all("Retry-After") == [seconds]


def test_the_body_of_a_denial_is_problem_json(stack):
    answer = ask(gateway(stack, deny))
    problem = json.loads(answer.body)
    assert answer.headers.get_content_type() == "application/problem+json"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert problem["status"] == 429
    assert problem["title"] and problem["detail"]
    assert problem["violated-policies"] == ["minute"]


def test_the_body_names_the_month_when_the_month_is_spent(stack):
    def verdict(check):
        result = denied(check)
        result.reason = "month"
        result.month.remaining = 0
        return result

    answer = ask(gateway(stack, answering(verdict)))
    assert json.loads(answer.body)["violated-policies"] == ["month"]


def test_quota_status_changes_the_status_of_a_denial_and_of_its_body(stack):
    answer = ask(gateway(stack, deny, "quota_status 503;"))
    assert answer.status == 503
    assert json.loads(answer.body)["status"] == 503


def test_quota_body_off_leaves_the_page_to_nginx(stack):
    answer = ask(gateway(stack, deny, "quota_body off;"))
    assert answer.status == 429
    assert answer.headers.get_content_type() == "text/html"
    assert present(answer, EVERY) == EVERY


def test_quota_body_off_leaves_the_page_to_error_page(stack):
    nginx = gateway(stack, deny, "quota_body off; error_page 429 /slow-down;",
                    "location = /slow-down { internal; proxy_pass http://content; }")
    answer = ask(nginx)
    assert (answer.status, answer.body) == (429, b"/slow-down")
    assert {name: len(answer.all(name)) for name in EVERY} == dict.fromkeys(EVERY, 1)
    assert answer.all("Retry-After") == ["2"]


def test_a_head_request_gets_the_headers_of_an_allowed_answer(stack):
    answer = ask(gateway(stack), method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert present(answer, EVERY) == EVERY


def test_a_denied_head_request_gets_no_body(stack):
    nginx = gateway(stack, deny)
    answer = exchange(nginx, b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 ")
    assert body == b""


@pytest.mark.parametrize("behaviour, status", [(allow, b"200"), (deny, b"429")],
                         ids=["allowed", "denied"])
def test_http_1_0_gets_headers_and_an_end(stack, behaviour, status):
    answer = exchange(gateway(stack, behaviour), b"GET / HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == status
    assert b"\r\nX-RateLimit-Limit: 100\r\n" in head
    assert body


def test_http_0_9_gets_an_answer(stack):
    # It has no headers at all, neither in the request nor in the answer.
    assert exchange(gateway(stack), b"GET /old\r\n") == b"/old"


def test_whoever_is_rejected_gets_401_and_problem_json(stack):
    def verdict(check):
        return quota_pb2.Verdict(id=check.id, outcome=quota_pb2.UNAUTHENTICATED,
                                 reason="unknown_credentials")

    answer = ask(gateway(stack, answering(verdict)))
    assert answer.status == 401
    assert answer.headers.get_content_type() == "application/problem+json"
    assert json.loads(answer.body)["status"] == 401


def test_a_sidecar_cannot_split_the_headers(stack):
    def verdict(check):
        result = allowed(check)
        result.tier = "free\r\nX-Evil: 1"
        return result

    answer = ask(gateway(stack, answering(verdict)))
    assert not answer.all("X-Evil")
