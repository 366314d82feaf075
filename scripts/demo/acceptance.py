#!/usr/bin/python3
"""Whether a gateway keeps what quotagate promises: 150 requests in a row, by everyone who may ask.

    acceptance.py policy DEMO_POLICY     prints that policy with a fresh consumer for each check
    acceptance.py run URL                checks the gateway at URL, which runs on that policy

Every check has a consumer or a source address to itself, so that none spends what another counts
on. A bucket refills while a check runs: what is expected is computed from the time that it took.
"""

import collections
import dataclasses
import hashlib
import http.client
import json
import math
import sys
import time
import urllib.parse

REQUESTS = 150
MANY = {"free": (100, 50_000), "pro": (1000, 1_000_000)}  # requests a minute, a month
ANONYMOUS_PER_MINUTE = 30


@dataclasses.dataclass
class Result:
    expected: str
    seen: str
    passed: bool


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Gateway:
    """Sends requests in a row over one connection, from a source address of choice."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self._host, self._port = parts.hostname, parts.port or 80

    def ask(self, count, path, key=None, source="127.0.0.1", method="GET"):
        """`key` may be a function of the request's number. Returns the answers and the seconds."""
        connection = http.client.HTTPConnection(
            self._host, self._port, timeout=30, source_address=(source, 0))
        answers = []
        started = time.monotonic()
        for number in range(count):
            value = key(number) if callable(key) else key
            connection.request(method, path, headers={"X-API-Key": value} if value else {})
            response = connection.getresponse()
            answers.append(Answer(response.status, response.headers, response.read()))
        elapsed = time.monotonic() - started
        connection.close()
        return answers, elapsed

    def ask_once(self, *args, **kwargs):
        return self.ask(1, *args, **kwargs)[0][0]


def key_of(name):
    return f"acceptance-{name}-key"


def counts(answers):
    tally = collections.Counter(answer.status for answer in answers)
    return " and ".join(f"{tally[status]}×{status}" for status in sorted(tally))


def expect_limit(answers, elapsed, per_minute, cost=1):
    """The first limit/cost pass, and after them only what has refilled meanwhile."""
    least = per_minute // cost
    most = math.floor((per_minute + elapsed * per_minute / 60) / cost)
    statuses = [answer.status for answer in answers]
    allowed = statuses.count(200)
    passed = (least <= allowed <= most and set(statuses[:least]) == {200}
              and allowed + statuses.count(429) == len(statuses))
    span = f"{least}" if least == most else f"{least}..{most}"
    rest = f"{len(statuses) - least}"
    return Result(f"{span}×200 and {rest}×429", counts(answers), passed)


def expect_all(answers, status):
    passed = all(answer.status == status for answer in answers)
    return Result(f"{len(answers)}×{status}", counts(answers), passed)


def expect_untouched(gateway, key, before):
    """One request more shows that `before` has used nothing. A bucket may hold more than its limit
    but never shows it, so that the minute may even look untouched by this one."""
    headers = gateway.ask_once("/identify", key).headers
    per_minute, per_month = MANY["free"]
    minute, month = headers["X-RateLimit-Remaining"], headers["X-Quota-Monthly-Remaining"]
    passed = minute in (str(per_minute - 1), str(per_minute)) and month == str(per_month - 1)
    return Result(f"{before.expected}, then {per_month - 1} of the month left",
                  f"{before.seen}, then {month} of the month left" +
                  ("" if passed else f" and {minute} of the minute"),
                  before.passed and passed)


def free_identify(gateway):
    answers, elapsed = gateway.ask(REQUESTS, "/identify", key_of("free-identify"))
    return expect_limit(answers, elapsed, MANY["free"][0])


def free_compare(gateway):
    answers, elapsed = gateway.ask(REQUESTS, "/compare", key_of("free-compare"))
    return expect_limit(answers, elapsed, MANY["free"][0], cost=2)


def free_health(gateway):
    answers, _ = gateway.ask(REQUESTS, "/health", key_of("free-health"))
    return expect_untouched(gateway, key_of("free-health"), expect_all(answers, 200))


def free_options(gateway):
    answers, _ = gateway.ask(REQUESTS, "/identify", key_of("free-options"), method="OPTIONS")
    return expect_untouched(gateway, key_of("free-options"), expect_all(answers, 204))


def without_key(gateway):
    answers, elapsed = gateway.ask(REQUESTS, "/identify", source="127.0.0.101")
    return expect_limit(answers, elapsed, ANONYMOUS_PER_MINUTE)


def with_unknown_keys(gateway):
    # A different key each time: were they counted by key, all 150 would pass.
    answers, elapsed = gateway.ask(
        REQUESTS, "/identify", key=lambda number: f"unknown-{number}", source="127.0.0.102")
    return expect_limit(answers, elapsed, ANONYMOUS_PER_MINUTE)


def pro_identify(gateway):
    answers, _ = gateway.ask(REQUESTS, "/identify", key_of("pro"))
    return expect_all(answers, 200)


LIMIT_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
                 "X-Quota-Monthly-Remaining", "RateLimit-Policy", "RateLimit")


def enterprise_identify(gateway):
    answers, _ = gateway.ask(REQUESTS, "/identify", key_of("enterprise"))
    result = expect_all(answers, 200)
    shown = {name for answer in answers for name in LIMIT_HEADERS if name in answer.headers}
    tiers = {answer.headers.get("X-Quota-Tier") for answer in answers}
    return Result(f"{result.expected}, tier enterprise, no limit headers",
                  f"{result.seen}, tier {', '.join(map(str, tiers))}, "
                  f"{', '.join(sorted(shown)) or 'no limit headers'}",
                  result.passed and not shown and tiers == {"enterprise"})


def faults_of_headers(answer, minute_remaining, month_remaining):
    """What is wrong with the limit headers of a free consumer's answer, as a list of sentences."""
    faults = []

    def check(name, wanted):
        seen = answer.headers.get_all(name) or []
        if len(seen) != 1 or not wanted(seen[0]):
            faults.append(f"{name}: {' | '.join(seen) or 'missing'}")

    now = time.time()
    check("X-RateLimit-Limit", lambda value: value == "100")
    check("X-RateLimit-Remaining", lambda value: value == minute_remaining)
    check("X-RateLimit-Reset",
          lambda value: value.isdecimal() and now - 1 <= int(value) <= now + 62)
    check("X-Quota-Tier", lambda value: value == "free")
    check("X-Quota-Monthly-Remaining", lambda value: value == month_remaining)
    check("RateLimit-Policy",
          lambda value: value.startswith('"minute";q=100;w=60, "month";q=50000;w='))
    check("RateLimit", lambda value: f'"minute";r={minute_remaining};t=' in value)
    return faults


def headers_of_an_allowed_answer(gateway):
    answer = gateway.ask_once("/identify", key_of("headers-allowed"))
    faults = faults_of_headers(answer, "99", "49999")
    if answer.status != 200:
        faults.insert(0, f"status {answer.status}")
    return Result("every limit header", "; ".join(faults) or "every limit header", not faults)


def denied_answer(gateway, name):
    answers, _ = gateway.ask(REQUESTS, "/compare", key_of(name))
    return next((answer for answer in answers if answer.status == 429), answers[-1])


def headers_of_a_denied_answer(gateway):
    answer = denied_answer(gateway, "headers-denied")
    # A cost of 2 is refused from 1.999 units down, so 1 may be left when it is.
    remaining = answer.headers.get("X-RateLimit-Remaining")
    faults = faults_of_headers(answer, "1" if remaining == "1" else "0", "49900")
    retry_after = answer.headers.get("Retry-After", "missing")
    if not retry_after.isdecimal() or int(retry_after) < 1:
        faults.append(f"Retry-After: {retry_after}")
    if answer.headers.get("Cache-Control") != "no-store":
        faults.append(f"Cache-Control: {answer.headers.get('Cache-Control')}")
    if answer.status != 429:
        faults.insert(0, f"status {answer.status}")
    expected = "every limit header, Retry-After, no-store"
    return Result(expected, "; ".join(faults) or expected, not faults)


def body_of_a_denied_answer(gateway):
    answer = denied_answer(gateway, "body-denied")
    faults = []
    if answer.headers.get_content_type() != "application/problem+json":
        faults.append(f"Content-Type {answer.headers.get('Content-Type')}")
    try:
        problem = json.loads(answer.body)
    except ValueError as error:
        problem = {}
        faults.append(f"not JSON: {error}")
    if problem.get("type") != "https://iana.org/assignments/http-problem-types#quota-exceeded":
        faults.append(f"type {problem.get('type')}")
    if problem.get("status") != 429:
        faults.append(f"status {problem.get('status')}")
    if "minute" not in (problem.get("violated-policies") or []):
        faults.append(f"violated-policies {problem.get('violated-policies')}")
    faults += [f"no {name}" for name in ("title", "detail") if not problem.get(name)]
    return Result("application/problem+json", "; ".join(faults) or "application/problem+json",
                  not faults)


CHECKS = [
    ("free, /identify", free_identify),
    ("free, /compare (costs 2)", free_compare),
    ("free, /health (costs nothing)", free_health),
    ("free, OPTIONS (never charged)", free_options),
    ("no key", without_key),
    ("unknown keys, one address", with_unknown_keys),
    ("pro, /identify", pro_identify),
    ("enterprise, /identify", enterprise_identify),
    ("headers of an allowed answer", headers_of_an_allowed_answer),
    ("headers of a denied answer", headers_of_a_denied_answer),
    ("body of a denied answer", body_of_a_denied_answer),
]
CONSUMERS = {
    "free-identify": "free", "free-compare": "free", "free-health": "free",
    "free-options": "free", "pro": "pro", "enterprise": "enterprise",
    "headers-allowed": "free", "headers-denied": "free", "body-denied": "free",
}


def policy_with_consumers(demo_policy):
    """The demo's policy, whose last section is the list of consumers, and a consumer per check."""
    lines = []
    for name, tier in CONSUMERS.items():
        digest = hashlib.sha256(key_of(name).encode()).hexdigest()
        lines.append(f'  - {{id: {name}, tier: {tier}, api_keys_sha256: ["{digest}"]}}\n')
    return demo_policy.rstrip("\n") + "\n" + "".join(lines)


def run(url):
    gateway = Gateway(url)
    rows = []
    for name, check in CHECKS:
        try:
            result = check(gateway)
        except (OSError, http.client.HTTPException) as error:
            result = Result("an answer", f"{type(error).__name__}: {error}", False)
        rows.append((name, result))
    names = max(len(name) for name, _ in rows)
    expected = max(len(result.expected) for _, result in rows)
    print(f"     {'check':<{names}}  {'expected':<{expected}}  seen")
    for name, result in rows:
        verdict = "ok  " if result.passed else "FAIL"
        print(f"{verdict} {name:<{names}}  {result.expected:<{expected}}  {result.seen}")
    failed = sum(not result.passed for _, result in rows)
    print(f"{len(rows) - failed} of {len(rows)} checks passed.")
    return 1 if failed else 0


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "policy":
        with open(arguments[1], encoding="utf-8") as file:
            print(policy_with_consumers(file.read()), end="")
        return 0
    if len(arguments) == 2 and arguments[0] == "run":
        return run(arguments[1])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
