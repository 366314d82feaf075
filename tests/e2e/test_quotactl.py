"""quotactl, as a person and as a program use it."""

import json

import pytest

from harness import environment
from harness.ports import ADDRESS, free_port
from harness.process import run
from harness.quotad import consumer, policy

OK, ERROR, DENIED, UNREACHABLE, NOT_PERMITTED = range(5)


@pytest.fixture(name="quotad")
def fixture_quotad(stack):
    return stack.quotad(policy([consumer("acme", "free")]))


def quotactl(*words, **how):
    return run([environment.built("quotactl"), *words], **how)


def said(done):
    """Standard output as JSON, of a call that went well."""
    assert done.returncode == OK, done.stderr
    return json.loads(done.stdout)


def check(quotad, *words, key="acme-key", **how):
    return quotactl("check", "--socket", quotad.socket_path, *words,
                    environment={"QUOTACTL_API_KEY": key} if key else {}, **how)


# -- validate


def test_validate_accepts_a_good_policy(stack):
    path = stack.workdir / "policy.yaml"
    path.write_text(policy([consumer("acme")]))
    done = quotactl("validate", path)
    assert (done.returncode, done.stderr) == (OK, "")
    assert "valid" in done.stdout


def test_validate_says_everything_that_is_wrong_and_where(stack):
    path = stack.workdir / "policy.yaml"
    path.write_text("version: 1\ntiers:\n  free: {requests_per_minute: -1}\nburst: 0.1\n")
    done = quotactl("validate", path)
    assert done.returncode == ERROR
    assert f"{path}:3:" in done.stderr
    assert f"{path}:4:" in done.stderr


def test_validate_speaks_json(stack):
    path = stack.workdir / "policy.yaml"
    path.write_text("version: 1\ntires: {}\n")
    done = quotactl("validate", path, "--json")
    assert done.returncode == ERROR
    assert "tires" in json.dumps(json.loads(done.stdout))


def test_validate_of_a_missing_file_is_an_error(stack):
    done = quotactl("validate", stack.workdir / "missing.yaml")
    assert done.returncode == ERROR
    assert "missing.yaml" in done.stderr


# -- check


def test_check_takes_what_a_request_costs(quotad):
    # The month, which does not refill meanwhile.
    assert said(check(quotad, "--path", "/compare", "--json"))["month"]["remaining"] == 49998
    assert said(check(quotad, "--path", "/identify", "--json"))["month"]["remaining"] == 49997


def test_check_with_peek_takes_nothing(quotad):
    for _ in range(3):
        assert said(check(quotad, "--path", "/identify", "--peek", "--json"))["outcome"] == "allowed"
    assert quotad.get_json("/v1/quota/acme")["used_this_month"] == 0


def test_check_exits_with_2_when_denied(quotad):
    done = check(quotad, "--path", "/identify", "--hits", "140")
    assert done.returncode == DENIED
    assert "denied" in done.stdout


def test_check_takes_a_key_from_standard_input(quotad):
    done = check(quotad, "--path", "/identify", "--api-key-file", "-", "--json", key=None,
                 stdin="acme-key\n")
    assert said(done)["consumer"] == "acme"


def test_check_without_a_sidecar_says_so(stack):
    done = quotactl("check", "--socket", stack.workdir / "nobody.sock", "--path", "/")
    assert done.returncode == UNREACHABLE
    assert "nobody.sock" in done.stderr


# -- explain, get, reset


def test_explain_says_who_what_and_why(quotad):
    done = quotad.ctl("explain", "--path", "/compare", "--json", token=None,
                      QUOTACTL_API_KEY="acme-key")
    answer = said(done)
    assert answer["identity"]["consumer"] == "acme"
    assert answer["endpoint"]["rule"] == "/compare"
    assert answer["decision"]["outcome"] == "allowed"


def test_explain_takes_nothing(quotad):
    for _ in range(3):
        assert quotad.ctl("explain", "--path", "/identify", "--consumer", "acme").returncode == OK
    assert quotad.get_json("/v1/quota/acme")["used_this_month"] == 0


def test_explain_speaks_to_people(quotad):
    text = quotad.ctl("explain", "--path", "/identify", "--ip", "127.0.0.1").stdout
    assert "Anonymous" in text
    assert "/identify" in text


def test_get_shows_what_was_used(quotad):
    check(quotad, "--path", "/identify", "--hits", "7")
    assert said(quotad.ctl("get", "acme", "--json"))["used_this_month"] == 7
    assert "acme" in quotad.ctl("get", "acme").stdout


def test_get_of_nobody_is_an_error(quotad):
    done = quotad.ctl("get", "nobody")
    assert done.returncode == ERROR
    assert done.stderr.strip()


def test_reset_starts_a_consumer_anew(quotad):
    check(quotad, "--path", "/identify", "--hits", "90")
    assert quotad.ctl("reset", "acme").returncode == OK
    quota = said(quotad.ctl("get", "acme", "--json"))
    assert (quota["used_this_month"], quota["minute"]["remaining"]) == (0, 100)
    assert said(check(quotad, "--path", "/identify", "--hits", "90", "--json"))["outcome"] == "allowed"


# -- consumers


def test_a_consumer_can_be_added_and_its_key_works_at_once(quotad):
    added = said(quotad.ctl("consumer", "add", "new", "--tier", "pro", "--json"))
    verdict = said(check(quotad, "--path", "/identify", "--json", key=added["api_key"]))
    assert (verdict["consumer"], verdict["tier"]) == ("new", "pro")


def test_the_key_is_shown_to_people_too(quotad):
    text = quotad.ctl("consumer", "add", "new").stdout
    key = next(word for word in text.split() if word.startswith("qg_"))
    assert said(check(quotad, "--path", "/identify", "--json", key=key))["consumer"] == "new"


def test_a_second_consumer_of_one_name_is_refused(quotad):
    assert quotad.ctl("consumer", "add", "new").returncode == OK
    done = quotad.ctl("consumer", "add", "new")
    assert done.returncode == ERROR
    assert "new" in done.stderr


def test_list_shows_consumers_of_the_policy_and_of_the_store(quotad):
    quotad.ctl("consumer", "add", "new", "--tier", "pro")
    listed = {entry["id"]: entry for entry in said(quotad.ctl("consumer", "list", "--json"))}
    assert set(listed) == {"acme", "new"}
    assert listed["new"]["tier"] == "pro"
    table = quotad.ctl("consumer", "list").stdout
    assert "acme" in table and "new" in table


def test_a_revoked_consumer_is_anonymous_again(quotad):
    key = said(quotad.ctl("consumer", "add", "new", "--json"))["api_key"]
    assert quotad.ctl("consumer", "revoke", "new").returncode == OK
    verdict = said(check(quotad, "--path", "/identify", "--json", key=key))
    assert verdict["tier"] == "anonymous"


def test_one_key_can_be_revoked_alone(quotad):
    first = said(quotad.ctl("consumer", "add", "new", "--json"))
    second = said(quotad.ctl("consumer", "add-key", "new", "--json"))
    key_id = first["consumer"]["api_keys"][0]["id"]
    assert quotad.ctl("consumer", "revoke", "new", "--key", key_id).returncode == OK
    assert said(check(quotad, "--path", "/identify", "--json",
                      key=first["api_key"]))["tier"] == "anonymous"
    assert said(check(quotad, "--path", "/identify", "--json",
                      key=second["api_key"]))["consumer"] == "new"


def test_set_tier_moves_a_consumer(quotad):
    key = said(quotad.ctl("consumer", "add", "new", "--tier", "free", "--json"))["api_key"]
    assert quotad.ctl("set-tier", "new", "pro").returncode == OK
    verdict = said(check(quotad, "--path", "/identify", "--json", key=key))
    assert (verdict["tier"], verdict["minute"]["limit"]) == ("pro", 1000)


@pytest.mark.parametrize("words", [
    ("set-tier", "acme", "pro"), ("consumer", "revoke", "acme"), ("consumer", "add-key", "acme")])
def test_a_consumer_of_the_policy_is_changed_there_and_nowhere_else(quotad, words):
    done = quotad.ctl(*words)
    assert done.returncode == ERROR
    assert "policy" in done.stderr


def test_a_tier_that_does_not_exist_is_refused(quotad):
    quotad.ctl("consumer", "add", "new")
    done = quotad.ctl("set-tier", "new", "platinum")
    assert done.returncode == ERROR
    assert "enterprise" in done.stderr  # names the tiers there are


# -- exit codes and words


@pytest.mark.parametrize("words", [
    ("reset", "acme"), ("consumer", "add", "new"), ("consumer", "revoke", "new")])
@pytest.mark.parametrize("token", [None, "wrong"])
def test_changes_need_the_token(quotad, words, token):
    done = quotad.ctl(*words, token=token)
    assert done.returncode == NOT_PERMITTED
    assert done.stderr.strip()


@pytest.mark.parametrize("words", [
    ("get", "acme"), ("reset", "acme"), ("consumer", "list"), ("explain", "--path", "/")])
def test_a_quotad_that_is_away_has_an_exit_code_of_its_own(words):
    admin = f"http://{ADDRESS}:{free_port()}"
    done = quotactl("--admin", admin, *words)
    assert done.returncode == UNREACHABLE
    assert admin in done.stderr


@pytest.mark.parametrize("words", [
    (), ("dance",), ("get",), ("check",), ("consumer",), ("consumer", "dance"),
    ("check", "--path", "/", "--hits", "0"), ("check", "--path", "/", "--ip", "everywhere"),
    ("get", "acme", "--admin", "not a url")])
def test_wrong_usage_is_an_error_and_explained(words):
    done = quotactl(*words)
    assert done.returncode == ERROR
    assert done.stderr.startswith("quotactl: ")
    assert done.stdout == ""


def test_help_names_every_command():
    done = quotactl("--help")
    assert done.returncode == OK
    for command in ("validate", "check", "explain", "get", "reset", "set-tier", "consumer"):
        assert command in done.stdout
