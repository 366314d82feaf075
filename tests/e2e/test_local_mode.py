"""quota_on_error local: a bucket per address in nginx itself, while the sidecar is away."""

import math
import time

import pytest

from harness.client import Connection, ask, at_once
from harness.nginx import CHECKED
from harness.process import wait_until

SERVER = f"location / {{ {CHECKED} add_header X-Outcome $quota_outcome always; }}"
PER_MINUTE = 30


class Nobody:
    def __init__(self, stack):
        self.address = f"unix:{stack.workdir}/nobody.sock"


def gateway(stack, **how):
    return stack.nginx(SERVER, sidecar=Nobody(stack),
                       http=f"quota_local_zone fallback:1m rate={PER_MINUTE}r/m;",
                       quota="quota_timeout 20s; quota_on_error local;", **how)


def outcomes(nginx, count, source):
    with Connection(nginx, source) as connection:
        return [connection.ask("/").headers["X-Outcome"] for _ in range(count)]


@pytest.mark.parametrize("workers", [1, 3])
def test_an_address_gets_its_rate_over_all_workers(stack, workers):
    nginx = gateway(stack, workers=workers)
    started = time.monotonic()
    seen = sum(at_once(6, lambda _: outcomes(nginx, 25, "127.0.0.50")), [])
    most = PER_MINUTE + math.ceil((time.monotonic() - started) * PER_MINUTE / 60)
    assert set(seen) == {"local_allowed", "local_denied"}
    assert PER_MINUTE <= seen.count("local_allowed") <= most


def test_one_address_takes_nothing_from_another(stack):
    nginx = gateway(stack)
    assert "local_denied" in outcomes(nginx, 60, "127.0.0.50")
    assert outcomes(nginx, 10, "127.0.0.51") == ["local_allowed"] * 10


def test_a_local_denial_looks_like_any_other(stack):
    nginx = gateway(stack)
    outcomes(nginx, 60, "127.0.0.1")
    answer = ask(nginx)
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers.get_content_type() == "application/problem+json"
    assert answer.all("Cache-Control") == ["no-store"]


def test_more_addresses_than_fit_into_the_zone_are_still_answered(stack):
    nginx = stack.nginx(SERVER, sidecar=Nobody(stack),
                        http=f"quota_local_zone fallback:64k rate={PER_MINUTE}r/m;",
                        quota="quota_timeout 20s; quota_on_error local;")
    answers = at_once(16, lambda part: [
        ask(nginx, source=f"127.0.{part}.{number}").status for number in range(1, 101)])
    statuses = [status for part in answers for status in part]
    # Who falls into a full set is denied rather than admitted beyond its rate; few do.
    assert set(statuses) <= {200, 429}
    assert statuses.count(429) < len(statuses) / 10


def test_the_sidecar_decides_again_as_soon_as_it_is_there(stack):
    quotad = stack.quotad(start=False)
    nginx = stack.nginx(SERVER, sidecar=quotad, http="quota_local_zone fallback:1m rate=600r/m;",
                        quota="quota_timeout 20s; quota_on_error local;")
    assert outcomes(nginx, 1, "127.0.0.1") == ["local_allowed"]
    quotad.start()
    wait_until(lambda: ask(nginx, "/health").headers["X-Outcome"] == "exempt",
               "the sidecar decides again")


def test_local_buckets_survive_a_reload(stack):
    nginx = gateway(stack)
    assert "local_denied" in outcomes(nginx, 60, "127.0.0.50")
    nginx.reload()
    assert "local_denied" in outcomes(nginx, 5, "127.0.0.50")
