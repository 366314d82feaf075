"""A Redis that wants a password gets it out of a file or the environment, and nobody sees it."""

import pathlib
import re

import pytest

from harness.accounting import Bucket
from harness.outage import are_back, outage_flags, outage_policy
from harness.process import wait_until

PASSWORD = "redis-pass-8c1f-with-@:/-in-it"
WRONG = "wrong-pass-77aa-with-@:/-in-it"
CHECK = {"method": "GET", "path": b"/identify", "api_key": b"acme-key"}
TEXT = outage_policy("deny", Bucket(600), month=10_000)


def by_file(stack, password):
    path = stack.workdir / "redis.password"
    path.write_text(password + "\n")
    path.chmod(0o600)
    return {"flags": [*outage_flags(store_password_file=path), "--log-level", "trace"]}


def by_environment(_stack, password):
    return {"flags": [*outage_flags(), "--log-level", "trace"],
            "variables": {"QUOTAD_STORE_PASSWORD": password}}


def by_nobody(_stack, _password):
    return {"flags": [*outage_flags(), "--log-level", "trace"]}


WAYS = pytest.mark.parametrize("way", [by_file, by_environment])
USERS = pytest.mark.parametrize("user", [None, "quota"], ids=["default user", "ACL user"])


def everything_it_says(quotad):
    seen = [quotad.log(), pathlib.Path(f"/proc/{quotad.process.pid}/cmdline").read_text()]
    for path in ("/metrics", "/metrics.json", "/healthz", "/readyz", "/v1/policy", "/v1/tiers",
                 "/v1/consumers", "/v1/quota/acme"):
        seen.append(str(quotad.ask("GET", path)))
    seen.append(str(quotad.ask("PUT", "/v1/consumers/new", {"tier": "some"})))
    seen.append(str(quotad.ask("POST", "/v1/explain", {"path": "/identify"})))
    seen.append(str(quotad.ctl("consumer", "add", "other")))
    return "\n".join(seen)


def assert_hidden(quotad):
    text = everything_it_says(quotad)
    for secret in (PASSWORD, WRONG):
        assert secret not in text


@WAYS
@USERS
def test_the_right_password_opens_redis(stack, way, user):
    redis = stack.redis(tcp=True, password=PASSWORD, user=user)
    quotad = stack.quotad(TEXT, store=redis.url, **way(stack, PASSWORD))
    assert quotad.check(**CHECK).reason == "ok"
    assert not quotad.check(**CHECK).degraded
    assert_hidden(quotad)
    # The connection is lost and made again: the password is still there, and still hidden.
    redis.client().client_kill_filter(_type="normal", skipme=True)
    redis.client().client_kill_filter(_type="pubsub", skipme=True)
    wait_until(lambda: are_back([quotad]), "it is back")
    assert_hidden(quotad)


@pytest.mark.parametrize("way, password", [(by_file, WRONG), (by_environment, WRONG),
                                           (by_nobody, "")], ids=["file", "environment", "none"])
@USERS
def test_a_wrong_password_is_said_and_not_shown(stack, way, password, user):
    redis = stack.redis(tcp=True, password=PASSWORD, user=user)
    quotad = stack.quotad(TEXT, store=redis.url, start=False, **way(stack, password)).launch()
    wait_until(lambda: re.search("password|WRONGPASS|NOAUTH", quotad.log()), "it says what is wrong")
    said = quotad.log()
    assert PASSWORD not in said and WRONG not in said
    wait_until(lambda: not quotad.process.is_running() or quotad.get("/metrics")[0] == 200,
               "it answers, or has left")
    if quotad.process.is_running():
        assert quotad.check(**CHECK).reason == "store_unavailable"
        assert quotad.metrics().sum("quota_store_up") == 0
        assert_hidden(quotad)
    else:
        assert quotad.process.wait() > 0
        quotad.process = None


def test_a_password_that_becomes_right_is_used(stack):
    redis = stack.redis(tcp=True, password=WRONG)
    quotad = stack.quotad(TEXT, store=redis.url, **by_environment(stack, WRONG))
    assert quotad.check(**CHECK).reason == "ok"
    # Somebody changes it for a while, and closes what is open.
    client = redis.client()
    client.config_set("requirepass", PASSWORD)
    redis.password = PASSWORD
    client.client_kill_filter(skipme=True)
    wait_until(lambda: quotad.metrics().sum("quota_store_up") == 0, "it is shut out")
    client.config_set("requirepass", WRONG)
    wait_until(lambda: are_back([quotad]), "it is back")
    assert_hidden(quotad)


def test_a_password_of_the_url_is_not_shown_either(stack):
    redis = stack.redis(tcp=True, password="plain-url-password")
    url = f"redis://:plain-url-password@{redis.address}"
    quotad = stack.quotad(TEXT, store=url, variables={"QUOTAD_STORE": url},
                          flags=[*outage_flags(), "--log-level", "trace"])
    assert quotad.check(**CHECK).reason == "ok"
    assert "plain-url-password" not in everything_it_says(quotad)


def test_two_passwords_are_one_too_many(stack):
    redis = stack.redis(tcp=True, password=PASSWORD)
    how = by_file(stack, PASSWORD)
    how["variables"] = {"QUOTAD_STORE_PASSWORD": PASSWORD}
    code, said = stack.quotad(TEXT, store=redis.url, start=False, **how).run_to_the_end()
    assert code > 0, said
    assert PASSWORD not in said
