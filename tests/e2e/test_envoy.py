"""Envoy's rate limit service: the same decisions through another door."""

import itertools
import json
import os
import pathlib
import re

import grpc
import pytest
from envoy.service.ratelimit.v3 import rls_pb2

from harness.client import Connection, ask
from harness.nginx import CHECKED
from harness.ports import ADDRESS, accepts, free_port
from harness.process import Process, wait_until
from harness.quotad import consumer, policy
from quota.v1 import quota_pb2

NAME = "envoy.service.ratelimit.v3.RateLimitService"
METHOD = f"/{NAME}/ShouldRateLimit"
OK = rls_pb2.RateLimitResponse.OK
OVER = rls_pb2.RateLimitResponse.OVER_LIMIT
UNIT = rls_pb2.RateLimitResponse.RateLimit
ACME = {"api_key": "acme-key", "method": "GET", "path": "/identify"}


class Envoy:
    """Asks as Envoy does."""

    def __init__(self, quotad):
        self.client = quotad.client()

    @staticmethod
    def request(*descriptors, domain="edge", hits=0):
        """Descriptors are dicts of entries; "hits_addend" is the descriptor's own."""
        request = rls_pb2.RateLimitRequest(domain=domain, hits_addend=hits)
        for entries in descriptors:
            descriptor = request.descriptors.add()
            for key, value in entries.items():
                if key == "hits_addend":
                    descriptor.hits_addend.value = value
                else:
                    descriptor.entries.add(key=key, value=value)
        return request

    def ask(self, *descriptors, **how):
        return self.send(self.request(*descriptors, **how))

    def send(self, message, **how):
        return self.client.call(METHOD, message, rls_pb2.RateLimitResponse, **how)

    def refusal(self, message):
        """The gRPC error that this message is answered with."""
        with pytest.raises(grpc.RpcError) as error:
            self.send(message)
        return error.value.code(), error.value.details()


class RealEnvoy:
    """The Envoy that QUOTA_ENVOY names, set up as docs/envoy.md shows it."""

    def __init__(self, workdir, quotad, upstream):
        document = pathlib.Path(__file__).parents[2] / "docs" / "envoy.md"
        text = re.search(r"```yaml\n(# envoy.yaml\n.*?)```", document.read_text(), re.S)[1]
        self.host, self.port = ADDRESS, free_port()
        for old, new in [("/run/quota/quota.sock", str(quotad.socket_path)),
                         ("port_value: 8080", f"port_value: {self.port}"),
                         ("port_value: 8081", f"port_value: {upstream.port}"),
                         # The test measures no time on a busy machine.
                         ("timeout: 0.02s", "timeout: 20s")]:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        text = text.replace("address: 127.0.0.1", f"address: {ADDRESS}")
        config = workdir / "envoy.yaml"
        config.write_text(text)
        self.process = Process("envoy", [os.environ["QUOTA_ENVOY"], "-c", config, "--concurrency",
                                         "1", "--base-id", str(self.port), "--log-level", "warn"],
                               workdir / "envoy.log")

    def start(self):
        wait_until(lambda: accepts(self.host, self.port) or not self.process.is_running(),
                   "envoy listens")
        assert self.process.is_running(), self.process.log()
        return self


@pytest.fixture(name="real_envoy")
def fixture_real_envoy(stack, quotad):
    if "QUOTA_ENVOY" not in os.environ:
        pytest.skip("QUOTA_ENVOY names no envoy to try")
    upstream = stack.nginx("location / { return 200 $request_uri; }", with_module=False)
    envoy = RealEnvoy(stack.workdir, quotad, upstream)
    try:
        yield envoy.start()
    finally:
        envoy.process.kill()


def headers_of(answer):
    return {header.key.lower(): header.value for header in answer.response_headers_to_add}


@pytest.fixture(name="quotad")
def fixture_quotad(stack):
    return stack.quotad(policy([consumer("acme", "free"), consumer("big", "enterprise")]))


@pytest.fixture(name="envoy")
def fixture_envoy(quotad):
    return Envoy(quotad)


# -- decisions


def test_what_is_allowed_says_how_much_is_left(envoy):
    answer = envoy.ask(ACME)
    assert answer.overall_code == OK
    (status,) = answer.statuses
    assert status.code == OK
    assert (status.current_limit.requests_per_unit, status.current_limit.unit,
            status.current_limit.name) == (100, UNIT.MINUTE, "minute")
    assert status.limit_remaining == 99
    assert status.duration_until_reset.seconds == 1  # one token of 100 a minute
    assert not answer.raw_body and not answer.request_headers_to_add


@pytest.mark.parametrize("path, admitted", [("/identify", 100), ("/compare", 50)])
def test_of_150_requests_as_many_pass_as_the_minute_holds(envoy, path, admitted):
    codes = [envoy.ask({**ACME, "path": path}).overall_code for _ in range(150)]
    assert codes == [OK] * admitted + [OVER] * (150 - admitted)


def test_a_refusal_comes_with_headers_and_a_body_for_the_client(envoy):
    envoy.ask(ACME, hits=99)
    answer = envoy.ask({**ACME, "path": "/compare"})
    assert (answer.overall_code, answer.statuses[0].code) == (OVER, OVER)
    headers = headers_of(answer)
    assert headers["retry-after"] == "1"
    assert headers["cache-control"] == "no-store"
    assert headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.raw_body)
    assert (problem["status"], problem["violated-policies"]) == (429, ["minute"])
    assert (problem["tier"], problem["endpoint"]) == ("free", "/compare")


def test_each_descriptor_has_a_status_of_its_own(envoy):
    spent, fresh = {"remote_address": "192.0.2.1"}, {"remote_address": "192.0.2.2"}
    envoy.ask(spent, hits=30)
    answer = envoy.ask(fresh, spent, {"api_key": "big-key"})
    assert answer.overall_code == OVER
    assert [status.code for status in answer.statuses] == [OK, OVER, OK]
    assert [status.limit_remaining for status in answer.statuses] == [29, 0, 2**32 - 1]
    assert json.loads(answer.raw_body)["tier"] == "anonymous"


def test_each_descriptor_is_charged(envoy):
    envoy.ask(ACME, {"remote_address": "192.0.2.1"}, {**ACME, "path": "/compare"})
    answer = envoy.ask({**ACME, "hits_addend": 0}, {"remote_address": "192.0.2.1"})
    assert [status.limit_remaining for status in answer.statuses] == [97, 28]


def test_an_unlimited_tier_and_a_free_endpoint_have_no_limits(envoy):
    answer = envoy.ask({"api_key": "big-key"}, {**ACME, "path": "/health"})
    assert answer.overall_code == OK
    assert not any(status.HasField("current_limit") for status in answer.statuses)
    assert headers_of(envoy.ask({"api_key": "big-key"})) == {"x-quota-tier": "enterprise"}


def test_the_month_is_told_when_less_of_it_is_left(stack):
    envoy = Envoy(stack.quotad(policy([consumer("acme", "free")], tiers={
        "free": {"requests_per_minute": 100, "monthly_quota": 20}})))
    status = envoy.ask(ACME).statuses[0]
    assert (status.current_limit.unit, status.limit_remaining) == (UNIT.MONTH, 19)
    assert status.duration_until_reset.seconds > 60
    denied = envoy.ask(ACME, hits=20)
    assert json.loads(denied.raw_body)["violated-policies"] == ["month"]


# -- hits


def test_hits_multiply_the_cost_and_none_means_one(envoy):
    assert envoy.ask(ACME, hits=10).statuses[0].limit_remaining == 90
    assert envoy.ask(ACME, hits=0).statuses[0].limit_remaining == 89


def test_hits_of_a_descriptor_go_before_those_of_the_request(envoy):
    answer = envoy.ask({**ACME, "hits_addend": 3}, {"remote_address": "192.0.2.1"}, hits=5)
    assert [status.limit_remaining for status in answer.statuses] == [97, 25]


def test_a_descriptor_with_no_hits_only_looks(envoy):
    for _ in range(3):
        assert envoy.ask({**ACME, "hits_addend": 0}).statuses[0].limit_remaining == 100
    envoy.ask(ACME, hits=100)
    assert envoy.ask({**ACME, "hits_addend": 0}).overall_code == OVER


def test_more_hits_than_there_are_numbers_are_too_many(envoy):
    assert envoy.ask({**ACME, "hits_addend": 2**64 - 1}).overall_code == OVER
    assert envoy.ask(ACME).statuses[0].limit_remaining == 99


# -- who and what


def test_a_token_names_its_bearer_by_either_key(stack):
    # A token that does not verify is refused, so the header was read as a token.
    text = policy(identity={"unknown_credentials": "reject", "jwt": {
        "algorithm": "HS256", "key_file": "{key}"}})
    key = stack.workdir / "jwt.key"
    key.write_text("k" * 32)
    envoy = Envoy(stack.quotad(text.replace("{key}", str(key))))
    for key in ("bearer", "authorization"):
        answer = envoy.ask({key: "Bearer no.such.token", "remote_address": "192.0.2.1"})
        assert answer.overall_code == OVER
        assert headers_of(answer)["www-authenticate"] == "Bearer"
        assert json.loads(answer.raw_body)["title"] == "Unauthorized"
    assert envoy.ask({"remote_address": "192.0.2.1"}).overall_code == OK


@pytest.mark.parametrize("trusted, tier", [([], "anonymous"), (["consumer"], "free"),
                                           (["consumer", "tier"], "pro")])
def test_consumer_and_tier_count_only_where_they_are_trusted(stack, trusted, tier):
    envoy = Envoy(stack.quotad(policy(identity={"trust": trusted})))
    answer = envoy.ask({"consumer": "someone", "tier": "pro"})
    assert headers_of(answer)["x-quota-tier"] == tier


def test_addresses_have_buckets_and_a_network_of_ipv6_shares_one(envoy):
    for address, left in [("192.0.2.1", 29), ("192.0.2.2", 29), ("192.0.2.1", 28),
                          ("2001:db8::1", 29), ("2001:db8::2", 28), ("::ffff:192.0.2.1", 27)]:
        assert envoy.ask({"remote_address": address}).statuses[0].limit_remaining == left, address


def test_whoever_is_not_named_shares_one_bucket(envoy):
    nobody = [{"generic_key": "slow"}, {"path": "/other"}, {"remote_address": "unknown"}]
    left = [envoy.ask(entries).statuses[0].limit_remaining for entries in nobody]
    assert left == [29, 28, 27]


def test_other_entries_and_the_domain_are_attributes(stack):
    envoy = Envoy(stack.quotad(policy(overrides_by_attribute=[
        {"attribute": "country", "equals": "XX", "requests_per_minute": 10},
        {"attribute": "masked_remote_address", "equals": "192.0.2.0/24", "requests_per_minute": 7},
        {"attribute": "domain", "equals": "partners", "requests_per_minute": 20}])))

    def limit(entries, **how):
        return envoy.ask(entries, **how).statuses[0].current_limit.requests_per_unit

    assert limit({"remote_address": "192.0.2.1"}) == 30
    assert limit({"remote_address": "192.0.2.1", "country": "XX"}) == 10
    assert limit({"masked_remote_address": "192.0.2.0/24"}) == 7
    assert limit({"remote_address": "192.0.2.1"}, domain="partners") == 20


def test_a_limit_that_a_descriptor_brings_along_changes_nothing(envoy):
    request = envoy.request(ACME)
    request.descriptors[0].limit.requests_per_unit = 1_000_000
    request.descriptors[0].limit.unit = UNIT.SECOND
    assert envoy.send(request).statuses[0].current_limit.requests_per_unit == 100


@pytest.mark.parametrize("path", ["/compare?x=/health", "/comp%61re", "//compare", "/a/../compare",
                                  "/./compare#x", "/%2e%2e/compare"])
def test_a_path_costs_the_same_however_it_is_written(envoy, path):
    assert envoy.ask({**ACME, "path": path}).statuses[0].limit_remaining == 98


def test_a_path_is_priced_as_the_module_prices_it(stack):
    costs = {"/compare": 7, "/batch": 4, "default": 1}
    prices = [{"path": path, "cost": cost} for path, cost in costs.items() if path != "default"]
    quotad = stack.quotad(policy([consumer("acme", "free"), consumer("big", "enterprise")],
                                 endpoints=prices))
    envoy = Envoy(quotad)
    nginx = stack.nginx(
        f"location / {{ {CHECKED} add_header X-Endpoint $quota_endpoint always; }}", sidecar=quotad)
    left = 100
    for path in ["/compare?a=b", "/%63ompare", "/x//../compare", "/batch/../compare", "/compare/",
                 "/compare%2F", "/compare%3F", "/a/b/../../compare", "/compare/.", "/batch/x/..",
                 "/%2562atch", "//batch"]:
        endpoint = ask(nginx, path, key="big-key").headers["X-Endpoint"]
        now = envoy.ask({**ACME, "path": path}).statuses[0].limit_remaining
        # Tokens drip in meanwhile.
        assert left - costs[endpoint] <= now <= left - costs[endpoint] + 2, (path, endpoint)
        left = now


# -- what cannot be decided

BAD = {
    "no domain": (Envoy.request(ACME, domain=""), "domain"),
    "no descriptors": (Envoy.request(), "descriptors"),
    "a descriptor without entries": (Envoy.request({}), "entries"),
    "an entry without a key": (Envoy.request({"": "x"}), "key"),
    "a key that is too long": (Envoy.request({"k" * 257: "x"}), "256"),
    "33 descriptors": (Envoy.request(*[ACME] * 33), "32"),
    "33 entries": (Envoy.request({f"k{i}": "x" for i in range(33)}), "32"),
    "no message": (b"\xff\xff\xff", "could not be read"),
}


@pytest.mark.parametrize("message, word", BAD.values(), ids=BAD)
def test_a_bad_request_is_an_error_with_one_sentence(quotad, envoy, message, word):
    code, sentence = envoy.refusal(message)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert word in sentence
    assert quotad.metrics().sum("quota_decisions_total") == 0
    assert envoy.ask(ACME).statuses[0].limit_remaining == 99


@pytest.mark.parametrize("mode, code", [("allow", OK), ("deny", OVER)])
def test_what_becomes_of_a_bad_request_can_be_set(stack, mode, code):
    envoy = Envoy(stack.quotad(flags=["--rls-on-error", mode]))
    answer = envoy.send(b"\xff")
    assert answer.overall_code == code
    if code == OVER:
        assert headers_of(answer)["retry-after"] == "1"
        assert "temporary-reduced-capacity" in json.loads(answer.raw_body)["type"]


@pytest.mark.parametrize("entry", [{"api_key": "x" * 100_000}, {"path": "/" + "x" * 100_000},
                                   {"country": "x" * 100_000}, {"path": "/%00%zz%"}])
def test_nothing_that_a_stranger_writes_is_an_error(envoy, entry):
    """Envoy lets requests pass whose answer is an error, unless it is told otherwise."""
    assert envoy.ask({**entry, "remote_address": "192.0.2.1"}).overall_code == OK


def test_bytes_that_are_no_text_harm_nobody(envoy):
    message = Envoy.request({"path": "/MARK", "remote_address": "192.0.2.1"}).SerializeToString()
    assert envoy.send(message.replace(b"MARK", b"\xff\xfe\xc0\x80")).overall_code == OK


# -- the same as through nginx


@pytest.mark.parametrize("style", ["both", "legacy", "ietf", "off"])
@pytest.mark.parametrize("who", ["acme", "big"])
def test_headers_are_those_that_nginx_sends(stack, who, style):
    """The same consumers in two quotads, asked in turn through the two doors."""
    text = policy([consumer("acme", "free"), consumer("big", "enterprise")])
    nginx = stack.nginx(f"location / {{ {CHECKED} quota_headers {style}; }}",
                        sidecar=stack.quotad(text))
    envoy = Envoy(stack.quotad(text, flags=["--rls-headers", style]))
    ours = ("x-ratelimit-", "x-quota-", "ratelimit", "retry-after", "cache-control",
            "www-authenticate")
    seen = set()

    def both():
        answer = ask(nginx, "/compare", key=f"{who}-key")
        told = envoy.ask({"api_key": f"{who}-key", "path": "/compare"})
        theirs = {name.lower(): value for name, value in answer.headers.items()
                  if name.lower().startswith(ours)}
        mine = {name: value for name, value in headers_of(told).items() if name != "content-type"}
        return (answer.status, theirs, answer.body), (told.overall_code, mine, told.raw_body)

    for number in range(52 if who == "acme" else 2):
        (status, theirs, body), (code, mine, raw_body) = both()
        seen.add(status)
        assert (status == 429) == (code == OVER), number
        # Seconds and drops may fall between the two questions; names may not.
        assert theirs.keys() == mine.keys()
        for name, value in theirs.items():
            assert near(value, mine[name]), (number, name, value, mine[name])
        if status == 429:
            assert json.loads(body).keys() == json.loads(raw_body).keys()
            policies = "violated-policies"
            assert json.loads(body)[policies] == json.loads(raw_body)[policies]
    assert seen == ({200, 429} if who == "acme" else {200})


def near(one, other):
    """The same text, but for numbers that time has moved by one or two."""
    def parts(text):
        return ["".join(group) for _, group in itertools.groupby(text, str.isdigit)]

    pairs = list(zip(parts(one), parts(other)))
    return len(parts(one)) == len(parts(other)) and all(
        a == b or (a.isdigit() and b.isdigit() and abs(int(a) - int(b)) <= 2) for a, b in pairs)


def test_two_doors_of_one_quotad_share_one_bucket(stack, quotad, envoy):
    nginx = stack.nginx(f"location / {{ {CHECKED} }}", sidecar=quotad)
    for _ in range(40):
        assert ask(nginx, "/identify", key="acme-key").status == 200
        assert envoy.ask(ACME).overall_code == OK
    assert envoy.ask(ACME, hits=20).overall_code == OK
    assert ask(nginx, "/compare", key="acme-key").status == 429
    assert envoy.ask({**ACME, "path": "/compare"}).overall_code == OVER


def test_two_quotads_share_a_bucket_in_redis_by_either_door(stack):
    redis = stack.redis()
    first, second = stack.quotads(2, policy([consumer("acme", "free")]), redis.url,
                                  flags=["--store-exact", "true"])
    envoy, other = Envoy(first), Envoy(second)
    nginx = stack.nginx(f"location / {{ {CHECKED} }}", sidecar=second)
    codes = []
    for _ in range(50):
        codes.append(envoy.ask(ACME).overall_code == OK)
        codes.append(other.ask(ACME).overall_code == OK)
        codes.append(ask(nginx, "/identify", key="acme-key").status == 200)
    assert 100 <= sum(codes) <= 104  # what drips in meanwhile


def test_a_store_that_takes_its_time_is_waited_for(stack):
    redis = stack.redis()
    quotad = stack.quotad(policy([consumer("acme", "free")]), store=redis.url,
                          flags=["--store-command-timeout-ms", "60000"])
    envoy = Envoy(quotad)
    envoy.ask({"remote_address": "192.0.2.9"})
    redis.pause()
    stub = envoy.client.channel.unary_unary(
        METHOD, request_serializer=rls_pb2.RateLimitRequest.SerializeToString,
        response_deserializer=rls_pb2.RateLimitResponse.FromString)
    unknown = [Envoy.request({"api_key": f"key {i}", "remote_address": f"192.0.2.{i}"}, ACME)
               for i in range(20)]
    calls = [stub.future(request, timeout=60) for request in unknown]
    # Somebody who needs no store is not kept waiting by those who do.
    assert envoy.ask({"path": "/health", "remote_address": "192.0.2.1"}).overall_code == OK
    assert not any(call.done() for call in calls)
    redis.resume()
    answers = [call.result() for call in calls]
    assert {answer.overall_code for answer in answers} == {OK}
    assert {tuple(status.current_limit.requests_per_unit for status in answer.statuses)
            for answer in answers} == {(30, 100)}
    assert min(answer.statuses[1].limit_remaining for answer in answers) in (80, 81)


# -- the service


def test_many_in_flight_are_each_answered_once(stack):
    quotad = stack.quotad(policy([consumer("acme", "big")], default_tier="big", tiers={
        "big": {"requests_per_minute": 1_000_000}}), flags=["--threads", "2"])
    envoy = Envoy(quotad)
    stub = envoy.client.channel.unary_unary(METHOD)
    message = Envoy.request(ACME).SerializeToString()
    calls = [stub.future(message, timeout=60) for _ in range(2000)]
    assert {rls_pb2.RateLimitResponse.FromString(call.result()).overall_code
            for call in calls} == {OK}
    assert quotad.metrics().sum("quota_decisions_total", tier="big", endpoint="/identify") == 2000


def test_decisions_are_counted_and_metered_as_through_nginx(quotad, envoy):
    for _ in range(3):
        envoy.ask(ACME, {"remote_address": "192.0.2.1"})
    metrics = quotad.metrics()
    assert metrics.sum("quota_decisions_total", tier="free", endpoint="/identify") == 3
    assert metrics.sum("quota_decisions_total", tier="anonymous") == 3
    wait_until(lambda: "acme" in quotad.get("/v1/usage")[1], "the usage is kept")


def test_a_stop_answers_what_is_under_way(stack):
    redis = stack.redis()
    quotad = stack.quotad(policy([consumer("acme", "free")]), store=redis.url,
                          flags=["--store-command-timeout-ms", "60000"])
    envoy = Envoy(quotad)
    envoy.ask({"remote_address": "192.0.2.9"})
    redis.pause()
    stub = envoy.client.channel.unary_unary(METHOD)
    call = stub.future(Envoy.request(ACME).SerializeToString(), timeout=60)
    # Once a later call has been answered, the first has been read.
    envoy.ask({"path": "/health", "remote_address": "192.0.2.1"})
    quotad.terminate()
    wait_until(lambda: "stopping" in quotad.log(), "quotad begins to stop")
    redis.resume()
    assert rls_pb2.RateLimitResponse.FromString(call.result()).overall_code == OK
    assert quotad.process.wait() == 0


def test_a_gateway_that_is_connected_does_not_keep_quotad(stack):
    quotad = stack.quotad(flags=["--drain-timeout-ms", "60000"])
    Envoy(quotad).ask({"remote_address": "192.0.2.1"})
    quotad.terminate()
    assert quotad.process.wait() == 0


def test_health_and_reflection_know_the_service(envoy):
    name = NAME.encode()
    assert envoy.client.call("/grpc.health.v1.Health/Check",
                             b"\x0a" + bytes([len(name)]) + name) == b"\x08\x01"
    reflect = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    (listed,) = envoy.client.stream(reflect, [b"\x3a\x01*"])
    assert name in listed
    (described,) = envoy.client.stream(reflect, [b"\x22" + bytes([len(name)]) + name])
    assert b"ShouldRateLimit" in described


def test_the_service_can_be_switched_off(stack):
    quotad = stack.quotad(variables={"QUOTAD_RLS": "off"})
    assert Envoy(quotad).refusal(Envoy.request(ACME))[0] == grpc.StatusCode.UNIMPLEMENTED
    assert quotad.check(method="GET", path=b"/identify").outcome == quota_pb2.ALLOWED


def test_bodies_can_be_switched_off(stack):
    envoy = Envoy(stack.quotad(flags=["--rls-body", "off"]))
    answer = envoy.ask({"remote_address": "192.0.2.1"}, hits=31)
    assert answer.overall_code == OVER
    assert not answer.raw_body
    assert "content-type" not in headers_of(answer)


@pytest.mark.parametrize("flag, value", [("rls", "yes"), ("rls-headers", "all"),
                                         ("rls-body", "true"), ("rls-on-error", "local")])
def test_a_setting_that_means_nothing_is_refused(stack, flag, value):
    code, said = stack.quotad(start=False, flags=[f"--{flag}", value]).run_to_the_end()
    assert code != 0
    assert f"--{flag}" in said and f'"{value}"' in said


# -- a real Envoy


def test_a_real_envoy_admits_what_the_minute_holds(real_envoy):
    with Connection(real_envoy) as connection:
        answers = [connection.ask("/identify?image=1", key="acme-key") for _ in range(150)]
        refusal = connection.ask("/compare", key="acme-key")
    codes = [answer.status for answer in answers]
    admitted = codes.count(200)
    assert 100 <= admitted <= 105  # what drips in meanwhile
    assert codes.count(429) == 150 - admitted
    assert answers[0].body == b"/identify?image=1"
    assert answers[0].all("X-RateLimit-Limit") == ["100"]
    assert answers[0].all("X-Quota-Monthly-Remaining") == ["49999"]
    assert refusal.status == 429
    assert refusal.headers.get_content_type() == "application/problem+json"
    assert refusal.all("Cache-Control") == ["no-store"]
    assert int(refusal.headers["Retry-After"]) in (1, 2)
    assert json.loads(refusal.body)["endpoint"] == "/compare"


def test_a_real_envoy_limits_clients_without_a_key_by_address(real_envoy):
    with Connection(real_envoy) as connection:
        answers = [connection.ask("/compare", headers={"Authorization": "Basic x"})
                   for _ in range(16)]
    assert [answer.status for answer in answers] == [200] * 15 + [429]
    assert answers[0].headers["X-Quota-Tier"] == "anonymous"


def test_a_real_envoy_lets_pass_while_quotad_is_away(real_envoy, quotad):
    assert ask(real_envoy, "/identify").headers["X-Quota-Tier"] == "anonymous"
    quotad.kill()
    answer = ask(real_envoy, "/identify")
    assert answer.status == 200
    assert not answer.all("X-Quota-Tier")
    quotad.start()
    wait_until(lambda: ask(real_envoy, "/identify").all("X-Quota-Tier"), "envoy asks again")
