"""Usage for the bill, with the embedded store: what quotad keeps is what its clients were told."""

import csv
import io
import json
import re
import sqlite3

import pytest

from harness.client import ask_many
from harness.process import wait_until
from harness.quotad import consumer, policy
from harness.usage import (Account, Used, Users, assert_kept_between, difference, entries, kept,
                           months, wait_until_kept)

CHECKS = [
    {"method": "GET", "path": b"/identify", "api_key": b"acme-key"},
    {"method": "GET", "path": b"/compare", "api_key": b"acme-key", "hits": 3},
    {"method": "GET", "path": b"/fine", "api_key": b"big-key"},
    {"method": "GET", "path": b"/health", "api_key": b"big-key"},
    {"method": "GET", "path": b"/else", "api_key": b"small-key"},
    {"method": "OPTIONS", "path": b"/identify", "api_key": b"small-key", "hits": 2},
]
FLUSHED = 1.5  # seconds: a flush a second, and time for the flush itself


def usage_policy(**changes):
    """A consumer that waits for the store, one without limits, one that is mostly refused."""
    return policy([consumer("acme", "pro"), consumer("big", "enterprise"),
                   consumer("small", "free")],
                  tiers={"free": {"requests_per_minute": 10, "monthly_quota": 50},
                         "pro": {"requests_per_minute": 1_000_000, "monthly_quota": 1_000_000_000},
                         "enterprise": {"unlimited": True}},
                  endpoints=[{"method": "OPTIONS", "path": "*", "cost": 0},
                             {"path": "/identify", "cost": 1.0}, {"path": "/compare", "cost": 2.0},
                             {"path": "/fine", "cost": 0.125}, {"path": "/health", "cost": 0}],
                  **changes)


@pytest.fixture(name="quotad")
def fixture_quotad(stack):
    return stack.quotad(usage_policy(), flags=["--threads", 2, "--drain-timeout-ms", 200])


def test_a_refused_request_is_a_denial_and_costs_nothing(stack):
    quotad = stack.quotad(policy([consumer("acme", "free")]))
    nginx = stack.gateway(quotad, "")
    answers = ask_many(nginx, 150, "/identify", key="acme-key")
    answers += ask_many(nginx, 3, "/health", key="acme-key")
    answers += ask_many(nginx, 2, "/compare")
    admitted = sum(answer.status == 200 for answer in answers[:150])
    assert 100 <= admitted < 150
    expected = {("acme", "/identify"): Used(150, admitted * 1000, 150 - admitted),
                ("acme", "/health"): Used(3), ("", "/compare"): Used(2, 4000)}
    wait_until(lambda: kept(quotad) == expected, f"{expected} is kept")
    assert quotad.metrics().sum("quota_usage_flush_total", result="ok") >= 1
    assert quotad.metrics().sum("quota_usage_flush_total", result="error") == 0
    assert quotad.metrics().sum("quota_usage_pending") == 0


def test_the_sums_are_what_the_clients_were_told(quotad):
    with Users([quotad, quotad, quotad], CHECKS) as users:
        users.wait_for(5000)
    account = users.stop()
    assert {used.denials > 0 for used in account.sums().values()} == {True, False}
    wait_until_kept(quotad, account)


def test_a_peek_uses_nothing(quotad):
    quotad.check(peek=True, **CHECKS[0])
    quotad.check(**CHECKS[2])
    wait_until(lambda: kept(quotad) == {("big", "/fine"): Used(1, 125)}, "one request is kept")


def test_a_policy_that_is_replaced_under_load_loses_nothing(quotad):
    with Users([quotad, quotad], CHECKS) as users:
        for turn in range(5):
            users.wait_for(500)
            quotad.set_policy(usage_policy(default_cost=turn + 2))
            quotad.hup()
    account = users.stop()
    assert ("small", "default") in account.sums()
    wait_until_kept(quotad, account)


def test_a_clean_restart_loses_nothing(quotad):
    account = Account()
    for _ in range(3):
        with Users([quotad, quotad], CHECKS, account) as users:
            users.wait_for(500)
        users.stop()
        quotad.stop()
        quotad.start()
    assert kept(quotad) == account.sums()


def test_a_clean_stop_under_load_keeps_all_that_was_told(quotad):
    with Users([quotad, quotad], CHECKS) as users:
        for _ in range(3):
            users.wait_for(500)
            quotad.stop()
            quotad.start()
    account = users.stop()
    quotad.stop()
    quotad.start()
    assert_kept_between(kept(quotad), account.sums(), account.requests_sent())


def test_kill_9_loses_at_most_the_last_flush(quotad, say):
    for _ in range(3):
        before = kept(quotad)
        with Users([quotad, quotad], CHECKS) as users:
            cut = users.wait_until_told_before(1000, FLUSHED)
            quotad.kill()
        account = users.stop()
        quotad.start()
        found = difference(kept(quotad), before)
        say(told=account.requests(), kept=sum(used.requests for used in found.values()))
        assert_kept_between(found, account.sums(until=cut), account.requests_sent())


def test_it_is_told_by_day_and_by_page(quotad):
    with Users([quotad], CHECKS) as users:
        users.wait_for(100)
    account = users.stop()
    wait_until_kept(quotad, account)
    days = [entry for month in months() for entry in entries(quotad, month=month, by="day", limit=1)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", entry["day"]) for entry in days)
    assert sum(entry["requests"] for entry in days) == account.requests()
    only = [entry for month in months() for entry in entries(quotad, month=month, consumer="big")]
    assert {entry["consumer"] for entry in only} == {"big"}
    assert kept(quotad, limit=1) == account.sums()
    assert kept(quotad, consumer="") == {}


@pytest.mark.parametrize("query, words", [
    ("month=2026-13", "month"), ("month=November", "month"), ("month=", "month"),
    ("by=week", "by must be day or month"), ("limit=0", "limit"), ("limit=1001", "limit"),
    ("limit=x", "limit"), ("consumer=a%20b", "consumer"), ("after=a%00b", "after"),
    ("month=2026-11&month=2026-10", "twice"), ("consumr=acme", "nothing else"),
    ("consumer=" + "x" * 129, "consumer")])
def test_a_wrong_question_gets_one_sentence(quotad, query, words):
    status, headers, body = quotad.ask("GET", f"/v1/usage?{query}")
    assert status == 400, body
    assert headers["Content-Type"] == "application/problem+json"
    assert words in json.loads(body)["detail"]


# -- quotactl


@pytest.fixture(name="used")
def fixture_used(quotad):
    for check in CHECKS[:4]:
        quotad.check(**check)
    quotad.check(method="GET", path=b"/identify", client_ip=bytes([10, 0, 0, 1]))
    wait_until(lambda: len(kept(quotad)) == 5, "all of it is kept")
    return quotad


def test_quotactl_shows_a_table_with_totals(used):
    done = used.ctl("usage", token=None)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["MONTH", "CONSUMER", "ENDPOINT", "REQUESTS", "COST", "DENIALS"]
    assert [line[1:] for line in lines[1:]] == [
        ["-", "/identify", "1", "1", "0"], ["acme", "/compare", "3", "6", "0"],
        ["acme", "/identify", "1", "1", "0"], ["big", "/fine", "1", "0.125", "0"],
        ["big", "/health", "1", "0", "0"], ["7", "8.125", "0"]]


def test_quotactl_writes_csv(used):
    done = used.ctl("usage", "--format", "csv", "--by", "day", "--consumer", "acme", token=None)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["consumer"], row["endpoint"], row["requests"], row["cost"], row["denials"])
            for row in rows] == [("acme", "/compare", "3", "6", "0"),
                                 ("acme", "/identify", "1", "1", "0")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row["day"]) for row in rows)


def test_quotactl_writes_json(used):
    for words in (["--format", "json"], ["--json"]):
        done = used.ctl("usage", "--month", months()[1], *words, token=None)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["month"] == months()[1]
        assert said["total"] == {"requests": 7, "cost": 8.125, "denials": 0}
        assert said["usage"][0] == {"consumer": None, "endpoint": "/identify", "requests": 1,
                                    "cost": 1, "denials": 0}


def test_quotactl_shows_an_empty_month_as_such(used):
    done = used.ctl("usage", "--month", "2001-01", token=None)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["total", "0", "0", "0"]


@pytest.mark.parametrize("words, said", [
    (["--month", "2026-13"], "month must be a month such as 2026-11"),
    (["--by", "week"], "by must be day or month"),
    (["--format", "xml"], "--format must be table, csv or json"),
    (["--consumer", "a b"], "consumer must be the id of a consumer")])
def test_quotactl_says_what_is_wrong(used, words, said):
    done = used.ctl("usage", *words, token=None)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stdout == ""


# -- the setting, and the file


def test_nothing_is_metered_when_usage_is_off(stack):
    quotad = stack.quotad(usage_policy(), flags=["--usage", "off"])
    quotad.check(**CHECKS[0])
    status, _, body = quotad.ask("GET", "/v1/usage")
    assert (status, "usage is off" in body) == (404, True)
    done = quotad.ctl("usage", token=None)
    assert done.returncode == 1 and "usage is off" in done.stderr
    assert "quota_usage_pending" not in quotad.metrics().names()
    quotad.stop()
    assert not quotad.store_path.with_name("state.db.usage").exists()


def test_the_setting_is_on_or_off(stack):
    code, said = stack.quotad(start=False, flags=["--usage", "yes"]).run_to_the_end()
    assert code == 1
    assert "neither on nor off" in said


def test_the_file_can_be_read_by_people(used):
    path = used.store_path.with_name("state.db.usage")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = database.execute(
            "SELECT consumer, endpoint, requests, cost FROM usage_for_people "
            "WHERE consumer = 'acme'").fetchall()
    database.close()
    assert rows == [("acme", "/compare", 3, 6.0), ("acme", "/identify", 1, 1.0)]
