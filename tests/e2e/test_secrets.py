"""Keys and tokens are known to quotad and to nobody who reads what it writes."""

import pathlib

import jwt
import pytest

from harness.client import ask
from harness.nginx import CHECKED
from harness.process import wait_until
from harness.quotad import ADMIN_TOKEN, consumer, key_hash, policy

API_KEY = "sk-live-4f9d0c1e77aa"
UNKNOWN_KEY = "sk-live-unknown-b1946ac9"
MANAGED_KEY = "sk-live-managed-5d41402a"
JWT_SECRET = "jwt-secret-6e809cbda0732ac4845916a59016f954"
EXPIRES = 4_000_000_000
WRONG_TOKEN = "wrong-admin-token-99e1"


def tokens():
    return {
        "good bearer token": jwt.encode({"sub": "acme", "tier": "pro", "exp": EXPIRES},
                                        JWT_SECRET, "HS256"),
        "bad bearer token": jwt.encode({"sub": "acme", "exp": EXPIRES},
                                       "another secret, which is wrong", "HS256"),
    }


def secrets():
    return {
        "API key": API_KEY, "unknown API key": UNKNOWN_KEY, "managed API key": MANAGED_KEY,
        "SHA-256 of the API key": key_hash(API_KEY),
        "SHA-256 of the managed API key": key_hash(MANAGED_KEY),
        "JWT secret": JWT_SECRET, "admin token": ADMIN_TOKEN, "wrong admin token": WRONG_TOKEN,
        **tokens(),
    }


@pytest.fixture(name="world")
def fixture_world(stack):
    """A gateway and a quotad that talk about everything they are willing to talk about."""
    key_file = stack.workdir / "jwt.key"
    key_file.write_text(JWT_SECRET)
    text = policy([consumer("acme", "pro", key=API_KEY)],
                  identity={"jwt": {"algorithm": "HS256", "key_file": str(key_file)}})
    quotad = stack.quotad(text, flags=["--log-level", "trace"])
    # Not debug: at that level nginx itself writes down every header.
    nginx = stack.nginx(f"""
        location / {{ {CHECKED} quota_attribute bearer $http_x_token; quota_log_level info; }}
        location = /gateway-metrics {{ quota_metrics; }}""", sidecar=quotad, log_level="info")
    return quotad, nginx


def use_every_secret(quotad, nginx):
    """Whatever comes back, as one text."""
    answers = [ask(nginx, "/identify", key=key) for key in (API_KEY, UNKNOWN_KEY)]
    answers += [ask(nginx, "/identify", headers={"X-Token": token}) for token in tokens().values()]
    answers += [ask(nginx, "/compare", key=UNKNOWN_KEY) for _ in range(40)]  # until denied
    answers.append(ask(nginx, "/gateway-metrics"))
    seen = [f"{answer.headers}{answer.body}" for answer in answers]

    change = {"add_key_sha256": [key_hash(MANAGED_KEY)], "tier": "free"}
    for token in (WRONG_TOKEN, None, ADMIN_TOKEN, ADMIN_TOKEN):
        seen.append(str(quotad.ask("PUT", "/v1/consumers/managed", change, token=token)))
    # A key where a hash belongs, and one that is taken already.
    for digest in (MANAGED_KEY, key_hash(API_KEY)):
        seen.append(str(quotad.ask("PUT", "/v1/consumers/other", {"add_key_sha256": [digest]})))
    seen.append(str(quotad.ask("PUT", "/v1/consumers/other", {"api_key": MANAGED_KEY})))
    for facts in ({"api_key": API_KEY}, {"api_key": UNKNOWN_KEY}, {"api_key": MANAGED_KEY},
                  {"bearer": tokens()["good bearer token"]}, {"bearer": WRONG_TOKEN},
                  {"nonsense": API_KEY}):
        seen.append(str(quotad.ask("POST", "/v1/explain", {"path": "/identify", **facts})))
    for path in ("/metrics", "/healthz", "/readyz", "/v1/policy", "/v1/tiers", "/v1/endpoints",
                 "/v1/consumers", "/v1/consumers/acme", "/v1/consumers/managed", "/v1/quota/acme",
                 "/v1/nothing"):
        seen.append(str(quotad.ask("GET", path)))
    return "\n".join(seen)


def assert_holds_no_secret(where, text):
    found = [name for name, value in secrets().items() if value in text]
    assert not found, f"{where} shows: {', '.join(found)}"


def test_no_answer_holds_a_secret(world):
    assert_holds_no_secret("an answer", use_every_secret(*world))


def test_no_log_holds_a_secret(stack, world):
    use_every_secret(*world)
    for name, text in stack.logs().items():
        assert_holds_no_secret(name, text)


def test_no_command_line_holds_a_secret(world):
    quotad, nginx = world
    for pid in (quotad.process.pid, nginx.process.pid, *nginx.worker_pids()):
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        assert_holds_no_secret(line, line)


def test_the_store_holds_no_key(world):
    quotad, nginx = world
    use_every_secret(quotad, nginx)
    quotad.stop()
    for path in quotad.directory.glob("state.db*"):
        content = path.read_bytes().decode("latin-1")
        for name in ("API key", "unknown API key", "managed API key", "JWT secret", "admin token"):
            assert secrets()[name] not in content, f"{path.name} holds the {name}"


@pytest.mark.parametrize("line", [
    f'  - {{id: acme, tier: pro, api_keys_sha256: ["{API_KEY}"]}}',
    f'  - {{id: acme, tier: none, api_keys_sha256: ["{key_hash(API_KEY)}"]}}',
    f'  - {{id: acme, tier: free, api_keys: ["{API_KEY}"]}}',
    f'  - {{id: acme, tier: free, api_keys_sha256: "{key_hash(API_KEY)}", x: "{API_KEY}"}}',
], ids=["key for a hash", "unknown tier", "misspelt name", "no list"])
def test_the_complaint_about_a_wrong_policy_holds_no_key(stack, line):
    quotad = stack.quotad()
    quotad.set_policy("version: 1\ntiers: {free: {requests_per_minute: 10}}\nconsumers:\n" + line)
    wait_until(lambda: quotad.metrics().sum("quota_policy_loads_total", result="rejected") >= 1,
               "the wrong policy is counted")
    assert_holds_no_secret("the log", quotad.log())
    assert_holds_no_secret("/v1/policy", quotad.get("/v1/policy")[1])


def test_no_metric_has_a_label_with_a_consumer_a_path_or_an_address(world):
    quotad, nginx = world
    for number in range(20):
        ask(nginx, f"/private/{number}", key=API_KEY)
    use_every_secret(quotad, nginx)
    for text in (quotad.metrics().text, ask(nginx, "/gateway-metrics").body.decode()):
        for part in ("acme", "managed", "private", "127.0.0.1"):
            assert part not in text


def test_writing_needs_the_token(world):
    quotad, _ = world
    for token in (None, "", WRONG_TOKEN, ADMIN_TOKEN[:-1], ADMIN_TOKEN + "x"):
        assert quotad.ask("PUT", "/v1/consumers/x", {"tier": "pro"}, token=token)[0] in (401, 403)
        assert quotad.ask("DELETE", "/v1/consumers/x", token=token)[0] in (401, 403)
        assert quotad.ask("POST", "/v1/quota/acme/reset", token=token)[0] in (401, 403)


def test_without_a_token_nobody_may_write(stack):
    quotad = stack.quotad(token=None)
    for token in (None, "", "anything"):
        assert quotad.ask("PUT", "/v1/consumers/x", {"tier": "pro"}, token=token)[0] in (401, 403)
