"""The load tests of tests/load/, short, against a real nginx and quotad: they pass where limits are
kept, and fail where they are not.

QUOTA_K6 names k6. Without it the k6 scripts run in tests/load/standin."""

import json
import os
import pathlib
import re

import pytest

from harness.environment import REPO
from harness.nginx import CHECKED
from harness.process import run
from harness.quotad import ADMIN_TOKEN

LOAD = REPO / "tests" / "load"
DEMO = (REPO / "scripts" / "demo" / "policy.yaml").read_text()
K6 = os.environ.get("QUOTA_K6") or str(LOAD / "standin" / "k6")
THRESHOLDS_FAILED = 99  # k6's exit code
SCRIPT_FAILED = 107
# Nothing here measures speed.
UNHURRIED = {"P95_MS": "60000", "P99_MS": "60000", "DROPPED": "1"}


def demo_with(old, new):
    assert old in DEMO
    return DEMO.replace(old, new)


FREE_101 = demo_with("free:       {requests_per_minute: 100,", "free:       {requests_per_minute: 101,")
FREE_90 = demo_with("free:       {requests_per_minute: 100,", "free:       {requests_per_minute: 90,")
FREE_200 = demo_with("free:       {requests_per_minute: 100,", "free:       {requests_per_minute: 200,")
PRO_2000 = demo_with("pro:        {requests_per_minute: 1000,", "pro:        {requests_per_minute: 2000,")
ANONYMOUS_300 = demo_with("anonymous: {requests_per_minute: 30}",
                          "anonymous: {requests_per_minute: 300}")
ENTERPRISE_LIMITED = demo_with("enterprise: {unlimited: true}",
                               "enterprise: {requests_per_minute: 5}")
SHADOW = DEMO.replace("version: 1", "version: 1\nmode: shadow")


@pytest.fixture(name="gateway")
def fixture_gateway(stack):
    def start(policy=DEMO, location=CHECKED):
        quotad = stack.quotad(policy)
        nginx = stack.nginx(f"location / {{ {location} }}", sidecar=quotad)
        nginx.quotad = quotad
        return nginx
    return start


def script(name, gateway, *words, **environment):
    done = run([LOAD / name, *words, "--url", gateway.url], environment, timeout=120)
    print(done.stdout, done.stderr)
    return done


# -- accuracy.sh: ab


def test_ab_finds_a_new_gateway_exact(gateway):
    done = script("accuracy.sh", gateway(), "--fresh")
    assert done.returncode == 0
    assert re.search(r"100 allowed \(expected 100(?: to \d+)?\), 50 denied, 0 others", done.stdout)


# However long ab takes: one more at the beginning stays one more.
@pytest.mark.parametrize("policy", [FREE_101, FREE_90], ids=["one too many", "too few"])
def test_ab_finds_a_gateway_that_is_not_exact(gateway, policy):
    done = script("accuracy.sh", gateway(policy), "--fresh")
    assert done.returncode == 1
    assert "allowed (expected 100" in done.stdout


def test_ab_wants_denials_to_say_429(gateway):
    done = script("accuracy.sh", gateway(location=CHECKED + "quota_status 403;"), "--fresh")
    assert done.returncode == 1
    assert "0 denied, 50 others" in done.stdout


def test_ab_may_be_repeated_with_a_consumer_of_its_own(gateway, stack):
    nginx = gateway()
    token = stack.workdir / "token"
    token.write_text(ADMIN_TOKEN)
    words = ["--admin", nginx.quotad.admin, "--token-file", token]
    assert script("accuracy.sh", nginx, *words).returncode == 0
    assert script("accuracy.sh", nginx, *words).returncode == 0
    assert "load-" not in json.dumps(nginx.quotad.get_json("/v1/consumers"))


def test_ab_may_be_repeated_with_any_consumer(gateway):
    # 10 units flow in each second, so that the wait is short.
    nginx = gateway(FREE_200.replace("200", "600", 1))
    words = ["--limit", "600", "--allowed", "20", "--denied", "50"]
    assert script("accuracy.sh", nginx, *words).returncode == 0
    assert script("accuracy.sh", nginx, *words).returncode == 0
    # Told to expect a third of what there is.
    assert script("accuracy.sh", nginx, "--limit", "200", "--allowed", "10").returncode == 1


def test_ab_cannot_judge_who_is_never_denied(gateway):
    done = script("accuracy.sh", gateway(), "--key", "demo-enterprise-key", "--limit", "10")
    assert done.returncode == 2
    assert "limits are not enforced" in done.stderr


# -- flood.sh: wrk


def test_a_flood_finds_what_flows_in(gateway):
    done = script("flood.sh", gateway(), "--seconds", "2", "--connections", "8", "--least", "100")
    assert done.returncode == 0


def test_a_flood_finds_more_than_flows_in(gateway):
    done = script("flood.sh", gateway(FREE_200), "--seconds", "2", "--connections", "8")
    assert done.returncode == 1


def test_a_flood_that_was_none_has_failed(gateway):
    done = script("flood.sh", gateway(), "--seconds", "1", "--connections", "1",
                  "--least", "100000000")
    assert done.returncode == 1
    assert "less than 100000000 requests a second" in done.stdout


# -- the k6 scripts


def k6(name, gateway, **environment):
    settings = {**UNHURRIED, "BASE_URL": gateway.url, "RATE": "100",
                "DURATION_FACTOR": "0.01" if name == "seed" else "0.03",
                "K6_NO_USAGE_REPORT": "true", **environment}
    done = run([K6, "run", "--quiet", LOAD / f"{name}.js"], settings, timeout=120)
    print(done.stdout, done.stderr)
    return done


@pytest.mark.parametrize("name", ["accuracy", "tiers", "seed"])
def test_a_k6_script_passes_and_writes_it_down(gateway, stack, name):
    done = k6(name, gateway(), SUMMARY_DIR=str(stack.workdir))
    assert done.returncode == 0
    assert f"{name}: passed" in done.stdout
    summary = json.loads((stack.workdir / f"{name}.json").read_text())
    assert summary["passed"] is True
    assert all(threshold["ok"] for threshold in summary["thresholds"])
    allowed = [threshold for threshold in summary["thresholds"]
               if threshold["metric"].startswith("quota_units_allowed")]
    assert allowed and all(threshold["seen"] > 0 for threshold in allowed)


@pytest.mark.parametrize("name, policy, broken", [
    ("accuracy", PRO_2000, "quota_units_allowed{bucket:pro}"),
    ("accuracy", FREE_200, "quota_units_allowed{bucket:free}"),
    ("accuracy", demo_with("pro:        {requests_per_minute: 1000,",
                           "pro:        {requests_per_minute: 500,"),
     "quota_units_allowed{bucket:pro}"),
    ("tiers", ENTERPRISE_LIMITED, "quota_denied{who:enterprise}"),
    ("tiers", FREE_101, "checks"),
    ("tiers", demo_with("tier: pro,", "tier: free,"), "checks"),
    ("seed", demo_with("/compare,  cost: 2.0", "/compare,  cost: 0"), "checks"),
], ids=["pro gets too much", "free gets too much", "pro gets too little", "enterprise is limited",
        "free has another limit", "pro is in another tier", "compare is free"])
def test_a_k6_script_fails_where_the_policy_is_another(gateway, stack, name, policy, broken):
    done = k6(name, gateway(policy), SUMMARY_DIR=str(stack.workdir))
    assert done.returncode == THRESHOLDS_FAILED
    summary = json.loads((stack.workdir / f"{name}.json").read_text())
    assert summary["passed"] is False
    assert broken in [threshold["metric"] for threshold in summary["thresholds"]
                      if not threshold["ok"]]


def test_strangers_may_not_have_more_by_showing_wrong_keys(gateway):
    done = k6("tiers", gateway(ANONYMOUS_300), RATE="400")
    assert done.returncode == THRESHOLDS_FAILED
    assert re.search(r"FAIL quota_units_allowed\{bucket:address\}", done.stdout)


def test_what_is_neither_allowed_nor_denied_is_an_error(gateway):
    nginx = gateway(location=CHECKED.replace("http://content", "http://127.0.0.1:1"))
    done = k6("tiers", nginx)
    assert done.returncode == THRESHOLDS_FAILED
    assert re.search(r"FAIL http_req_failed", done.stdout)


def test_answers_that_come_late_are_a_failure(gateway):
    done = k6("tiers", gateway(), P99_MS="0.001")
    assert done.returncode == THRESHOLDS_FAILED
    assert re.search(r"FAIL http_req_duration", done.stdout)


def test_accuracy_says_when_limits_are_not_enforced(gateway):
    done = k6("accuracy", gateway(SHADOW))
    assert done.returncode == SCRIPT_FAILED
    assert "limits are not enforced" in done.stdout + done.stderr


@pytest.mark.parametrize("variable", ["DURATION_FACTOR", "RATE", "FREE_PER_MINUTE"])
def test_a_setting_that_is_no_number_is_named(gateway, variable):
    done = k6("tiers", gateway(), **{variable: "many"})
    assert done.returncode not in (0, THRESHOLDS_FAILED)
    assert f"{variable} is 'many'" in done.stdout + done.stderr


# -- run.sh


def path_without(directory, *names):
    """A PATH with all of Debian's programs but these."""
    directory.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for program in pathlib.Path(folder).iterdir():
            link = directory / program.name
            if program.name not in names and not os.path.lexists(link):
                link.symlink_to(program)
    return str(directory)


def test_run_passes_when_everything_ran_and_passed(gateway, stack):
    done = script("run.sh", gateway(), "quick", "--fresh", "--out", str(stack.workdir / "out"),
                  QUOTA_K6=K6, DURATION_FACTOR="0.01", RATE="100", **UNHURRIED)
    assert done.returncode == 0
    assert "5 passed, 0 failed, 0 skipped" in done.stdout
    assert {path.name for path in (stack.workdir / "out").iterdir()} >= {
        "ab.log", "wrk.log", "accuracy.json", "tiers.json", "seed.json"}


def test_run_never_calls_passed_what_it_skipped(gateway, stack):
    done = script("run.sh", gateway(), "--fresh", "--only", "ab", "--only", "accuracy",
                  "--out", str(stack.workdir / "out"), QUOTA_K6="/nowhere/k6")
    assert done.returncode == 4
    assert re.search(r"^ab +passed ", done.stdout, re.MULTILINE)
    assert re.search(r"^accuracy +skipped +/nowhere/k6 is not installed: .*QUOTA_K6",
                     done.stdout, re.MULTILINE)
    assert "1 passed, 0 failed, 1 skipped" in done.stdout


def test_run_names_the_package_of_what_is_missing(gateway, stack):
    done = script("run.sh", gateway(), "--out", str(stack.workdir / "out"), QUOTA_K6="/nowhere/k6",
                  PATH=path_without(stack.workdir / "bin", "ab", "wrk", "k6"))
    assert done.returncode == 4
    assert re.search(r"^ab +skipped .*apt-get install apache2-utils", done.stdout, re.MULTILINE)
    assert re.search(r"^wrk +skipped .*apt-get install wrk", done.stdout, re.MULTILINE)
    assert "0 passed, 0 failed, 5 skipped" in done.stdout


def test_run_fails_when_one_check_failed_even_if_others_were_skipped(gateway, stack):
    done = script("run.sh", gateway(FREE_101), "--fresh", "--only", "ab", "--only", "tiers",
                  "--out", str(stack.workdir / "out"), QUOTA_K6="/nowhere/k6")
    assert done.returncode == 1
    assert re.search(r"^ab +FAILED ", done.stdout, re.MULTILINE)
    assert "0 passed, 1 failed, 1 skipped" in done.stdout


def test_run_does_not_start_when_the_gateway_is_down(gateway):
    nginx = gateway()
    nginx.stop()
    done = script("run.sh", nginx)
    assert done.returncode == 3
    assert f"{nginx.url} does not answer" in done.stderr
    assert "quickstart.sh" in done.stderr


def test_run_does_not_start_when_something_else_answers(gateway):
    nginx = gateway(location="return 404;")
    done = script("run.sh", nginx)
    assert done.returncode == 3
    assert "404" in done.stderr


@pytest.mark.parametrize("words", [
    ("run.sh", "sideways"), ("run.sh", "--only", "k7"), ("run.sh", "--only"),
    ("run.sh", "--url", "ftp://127.0.0.1"), ("run.sh", "--url"),
    ("accuracy.sh", "--limit", "0"), ("accuracy.sh", "--limit", "1.5"), ("accuracy.sh", "--key"),
    ("accuracy.sh", "--dance"), ("accuracy.sh", "--admin", "http://127.0.0.1:1"),
    ("flood.sh", "--seconds", "soon"), ("flood.sh", "--seconds"), ("flood.sh", "--dance"),
])
def test_bad_arguments_are_refused_with_one_sentence(words):
    done = run([LOAD / words[0], *words[1:]])
    assert done.returncode == 2
    assert done.stderr.startswith(f"{words[0]}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["run.sh", "accuracy.sh", "flood.sh", "check-types.sh"])
def test_every_load_script_explains_itself(name):
    done = run([LOAD / name, "--help"])
    assert done.returncode == 0
    assert f"tests/load/{name}" in done.stdout
