"""openapi.json describes what quotad's admin API is, and the answers are what it says."""

import json
import re
import socket
import urllib.parse

import jsonschema
import pytest

from harness.environment import REPO
from harness.process import wait_until
from harness.quotad import ADMIN_TOKEN, consumer, policy

METHODS = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]


@pytest.fixture(name="quotad")
def fixture_quotad(stack):
    return stack.quotad(policy(
        [consumer("acme", "pro", overrides={"requests_per_minute": 5000})],
        anonymous={"requests_per_minute": 30, "allowlist": {"cidrs": ["10.0.0.0/8"], "unlimited": True}},
        identity={"trust": ["tier"]},
        overrides_by_attribute=[{"attribute": "country", "equals": "XX", "requests_per_minute": 10}]))


@pytest.fixture(name="described")
def fixture_described(quotad):
    return quotad.get_json("/openapi.json")


def operations(described):
    return {(method.upper(), path): operation
            for path, item in described["paths"].items()
            for method, operation in item.items() if method != "parameters"}


def resolve(described, node):
    while "$ref" in node:
        reference = node["$ref"].removeprefix("#/").split("/")
        node = described
        for part in reference:
            node = node[part]
    return node


class Api:
    """Asks, and holds each answer to the description of its operation."""

    def __init__(self, quotad, described):
        self.quotad = quotad
        self.described = described
        self.operations = operations(described)
        self.seen = set()  # (method, path, status)

    def schema(self, response, content_type):
        content = resolve(self.described, response).get("content", {})
        if content_type is None:
            assert not content
            return None
        assert content_type in content, f"{content_type} is none of {list(content)}"
        return {**content[content_type]["schema"], "components": self.described["components"]}

    def ask(self, method, path, body=None, *, id="", query="", expect, token=ADMIN_TOKEN):
        where = path.replace("{id}", urllib.parse.quote(id, safe="")) + query
        status, headers, text = self.quotad.ask(method, where, body, token=token)
        assert status == expect, f"{method} {where}: {status} {text}"
        responses = self.operations[method, path]["responses"]
        assert str(status) in responses, f"{method} {path} does not say {status}"
        kind = headers["Content-Type"].split(";")[0] if text else None
        schema = self.schema(responses[str(status)], kind)
        if kind and kind.endswith("json"):
            answer = json.loads(text)
            jsonschema.Draft202012Validator(schema).validate(answer)
            if status >= 400:
                assert kind == "application/problem+json"
                assert answer["status"] == status
        self.seen.add((method, path, status))
        return text

    def send_bytes(self, data):
        host, port = self.quotad.admin_address.split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(data)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        return answer


@pytest.fixture(name="api")
def fixture_api(quotad, described):
    return Api(quotad, described)


def test_it_is_a_description_that_holds_together(described):
    assert described["openapi"].startswith("3.1.")
    names = [operation["operationId"] for operation in operations(described).values()]
    assert len(names) == len(set(names))

    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                resolve(described, node)
            for each in node.values():
                walk(each)
        elif isinstance(node, list):
            for each in node:
                walk(each)
    walk(described)
    for schema in described["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for path, item in described["paths"].items():
        if "{id}" in path:
            assert item["parameters"][0]["name"] == "id"


def test_every_route_is_described_and_nothing_else_is(quotad, described):
    """A method that a path has not is answered with 405 and all that it has."""
    # An id may hold slashes: what ends in /reset may also be one.
    routes = [(re.compile(re.escape(path).replace(r"\{id\}", ".+") + "$"), method)
              for method, path in operations(described)]
    for path in described["paths"]:
        there = {method for pattern, method in routes if pattern.match(path)}
        for method in METHODS:
            if method in there:
                continue
            status, headers, _ = quotad.ask(method, path.replace("{id}", "x"))
            assert status == 405, f"{method} {path}: {status}"
            assert set(headers["Allow"].split(", ")) == there, path


def test_the_router_has_no_other_paths(described):
    """The routes as the source names them: none is forgotten in the description."""
    source = (REPO / "quota-service/src/admin/admin_server.cc").read_text()
    routes = set(re.findall(r'add\("([A-Z]+)", "([^"]+)"', source))
    assert len(routes) > 15
    assert routes == set(operations(described))


def test_every_operation_answers_as_described(api):
    digest = "ab" * 32
    for path in ("/", "/openapi.json", "/metrics", "/metrics.json", "/healthz", "/readyz",
                 "/v1/policy", "/v1/tiers", "/v1/endpoints", "/v1/mode", "/v1/top", "/v1/consumers",
                 "/v1/usage", "/v1/events"):
        api.ask("GET", path, expect=200)
    api.ask("PUT", "/v1/consumers/{id}", {"tier": "pro", "billing_day": 31,
                                          "overrides": {"monthly_quota": 5},
                                          "add_key_sha256": [digest]}, id="a/b", expect=201)
    api.ask("PUT", "/v1/consumers/{id}", {"tier": None}, id="a/b", expect=200)
    for name in ("acme", "a/b"):
        api.ask("GET", "/v1/consumers/{id}", id=name, expect=200)
        api.ask("GET", "/v1/quota/{id}", id=name, expect=200)
        api.ask("POST", "/v1/quota/{id}/reset", id=name, expect=200)
    api.ask("GET", "/v1/consumers", query="?limit=1&after=a", expect=200)
    for facts in ({"path": "/identify", "consumer": "acme"}, {"path": "/", "client_ip": "10.0.0.1"},
                  {"path": "/health", "attributes": {"country": "XX"}, "hits": 3},
                  {"path": "/batch", "tier": "enterprise"}):
        api.ask("POST", "/v1/explain", facts, token=None, expect=200)
    for word in ("shadow", "off", "policy"):
        api.ask("PUT", "/v1/mode", {"mode": word}, expect=200)
    api.ask("PUT", "/v1/mode", {"mode": "enforce"}, query="?scope=local", expect=200)
    assert api.quotad.check(path=b"/identify", hits=1000).reason != "ok"
    wait_until(lambda: json.loads(api.ask("GET", "/v1/usage", query="?by=day", expect=200))["usage"],
               "usage is there")
    api.ask("GET", "/v1/usage", query="?month=2026-11&limit=1", expect=200)
    wait_until(lambda: json.loads(api.ask("GET", "/v1/events", expect=200))["events"],
               "the denial is an event")
    api.ask("GET", "/v1/events", query="?after=0&limit=1&denied=true&consumer=acme", expect=200)
    api.ask("GET", "/v1/mode", expect=200)
    api.ask("POST", "/v1/reload", expect=200)
    api.ask("DELETE", "/v1/consumers/{id}", id="a/b", expect=204)
    succeeded = {(method, path) for method, path, status in api.seen if status < 400}
    assert succeeded == set(api.operations)


def test_bad_input_is_answered_as_described(api):
    api.ask("POST", "/v1/explain", {"path": "no-slash"}, expect=400)
    api.ask("PUT", "/v1/mode", {"mode": "on"}, expect=400)
    api.ask("GET", "/v1/top", query="?limit=0", expect=400)
    api.ask("GET", "/v1/consumers", query="?limit=0", expect=400)
    for query in ("?month=november", "?by=year", "?limit=0", "?mont=2026-11"):
        api.ask("GET", "/v1/usage", query=query, expect=400)
    for query in ("?after=-1", "?limit=1001", "?denied=yes", "?from=1"):
        api.ask("GET", "/v1/events", query=query, expect=400)
    api.ask("PUT", "/v1/consumers/{id}", {"tier": "none"}, id="x", expect=400)
    api.ask("PUT", "/v1/consumers/{id}", {"remove_key_ids": ["00000000"]}, id="x", expect=404)
    api.ask("PUT", "/v1/consumers/{id}", {}, id="acme", expect=409)
    api.ask("DELETE", "/v1/consumers/{id}", id="acme", expect=409)
    for method, path in (("GET", "/v1/consumers/{id}"), ("DELETE", "/v1/consumers/{id}"),
                         ("GET", "/v1/quota/{id}"), ("POST", "/v1/quota/{id}/reset")):
        api.ask(method, path, id="nobody", expect=404)
    api.quotad.set_policy("version: 7\n")
    api.ask("POST", "/v1/reload", expect=422)


def test_without_rights_nothing_is_changed_and_that_is_described(api):
    private = {key for key, operation in api.operations.items() if operation["security"]}
    writes = private - {("GET", "/v1/events")}
    assert len(writes) == len(private) - 1 == 5
    for method, path in api.operations:
        is_write = (method, path) in writes
        assert is_write == (method != "GET" and path != "/v1/explain")
    for method, path in private:
        for token in (None, "a-wrong-token-0000"):
            api.ask(method, path, {}, id="acme", token=token, expect=401)


def test_a_quotad_without_a_token_forbids_all_changes(stack, described):
    api = Api(stack.quotad(token=None), described)
    for (method, path), operation in api.operations.items():
        if operation["security"] and method != "GET":
            api.ask(method, path, {}, id="acme", expect=403)
    api.ask("GET", "/v1/events", token=None, expect=200)


def test_usage_that_is_not_kept_is_described(stack, described):
    api = Api(stack.quotad(flags=["--usage", "off"]), described)
    api.ask("GET", "/v1/usage", expect=404)


def test_a_wrong_host_and_a_wrong_type_are_described(api):
    problem = {"components": api.described["components"], "$ref": "#/components/schemas/Problem"}

    def check(answer, status, method, path):
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status), answer
        jsonschema.Draft202012Validator(problem).validate(json.loads(body))
        assert str(status) in api.operations[method, path]["responses"]

    for (method, path), operation in api.operations.items():
        where = path.replace("{id}", "acme")
        rebound = f"{method} {where} HTTP/1.1\r\nHost: rebound.example\r\nContent-Length: 0\r\n\r\n"
        answer = api.send_bytes(rebound.encode())
        if "421" in operation["responses"]:
            check(answer, 421, method, path)
        else:
            assert answer.startswith(b"HTTP/1.1 200 "), (method, path)
        if "415" in operation["responses"]:
            form = (f"{method} {where} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
                    f"Authorization: Bearer {ADMIN_TOKEN}\r\nContent-Type: text/plain\r\n\r\n{{}}")
            check(api.send_bytes(form.encode()), 415, method, path)


def test_a_name_of_admin_hosts_may_be_used(stack, described):
    api = Api(stack.quotad(flags=["--admin-hosts", "quotad.example, other.example"]), described)
    for name, status in (("quotad.example:9180", 200), ("OTHER.example", 200), ("x.example", 421)):
        answer = api.send_bytes(f"GET /v1/tiers HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 %d " % status), (name, answer)


def test_a_bad_name_in_admin_hosts_is_refused(stack):
    quotad = stack.quotad(start=False, flags=["--admin-hosts", "http://quotad.example"])
    code, text = quotad.run_to_the_end()
    assert code == 1
    assert "--admin-hosts" in text and "not a host name" in text
