"""Kong's plugins say who a consumer is by setting headers in the Lua access phase. The check comes
after it and sees them."""

import pytest

from harness import environment
from harness.client import ask
from harness.quotad import consumer, policy

# What key-auth does: a known key gets the consumer's name, everybody else loses a forged one.
KEY_AUTH = """
    access_by_lua_block {
        local names = {["lua-key"] = "acme"}
        local name = names[ngx.var.http_apikey or ""]
        if name then
            ngx.req.set_header("X-Consumer-Username", name)
        else
            ngx.req.clear_header("X-Consumer-Username")
        end
    }
"""
ATTRIBUTE = "quota on; quota_attribute consumer $http_x_consumer_username;"
CONTENT = "proxy_pass http://content;"

GATEWAYS = {
    "plain": f"location / {{ {KEY_AUTH} {ATTRIBUTE} {CONTENT} }}",
    "header evaluated in the rewrite phase": f"""
        set $before $http_x_consumer_username;
        location / {{ {KEY_AUTH} {ATTRIBUTE} {CONTENT} }}""",
    "header evaluated by an if": f"""
        location / {{
            if ($http_x_consumer_username = "nobody") {{ return 403; }}
            {KEY_AUTH} {ATTRIBUTE} {CONTENT}
        }}""",
    "header evaluated by rewrite_by_lua": f"""
        location / {{
            rewrite_by_lua_block {{ local before = ngx.var.http_x_consumer_username }}
            {KEY_AUTH} {ATTRIBUTE} {CONTENT}
        }}""",
    "access phase postponed to its end": f"""
        location / {{ {KEY_AUTH} {ATTRIBUTE} satisfy all; allow all; {CONTENT} }}""",
    "Lua waits": f"""
        location / {{
            {KEY_AUTH.replace("local names", "ngx.sleep(0.01) local names")}
            {ATTRIBUTE} {CONTENT}
        }}""",
}


@pytest.fixture(name="start")
def fixture_start(stack):
    quotad = stack.quotad(policy([consumer("acme", "pro")], identity={"trust": ["consumer"]}))

    def start(server):
        return stack.nginx(server, sidecar=quotad, modules=environment.lua_modules())

    return start


@pytest.mark.parametrize("server", GATEWAYS.values(), ids=GATEWAYS.keys())
def test_a_consumer_that_lua_found_is_charged(start, server):
    answer = ask(start(server), "/identify", headers={"apikey": "lua-key"})
    assert answer.status == 200
    assert answer.headers["X-Quota-Tier"] == "pro"


@pytest.mark.parametrize("server", GATEWAYS.values(), ids=GATEWAYS.keys())
def test_a_consumer_that_lua_took_away_is_not_charged(start, server):
    answer = ask(start(server), "/identify", headers={"X-Consumer-Username": "acme"})
    assert answer.status == 200
    assert answer.headers["X-Quota-Tier"] == "anonymous"


def test_a_request_that_lua_refuses_is_not_charged(start):
    nginx = start(f"""
        location / {{
            access_by_lua_block {{ if ngx.var.arg_refuse then return ngx.exit(401) end }}
            {KEY_AUTH.replace("access_by_lua_block", "rewrite_by_lua_block")} {ATTRIBUTE} {CONTENT}
        }}""")
    key = {"apikey": "lua-key"}
    before = ask(nginx, "/identify", headers=key)
    assert ask(nginx, "/identify?refuse=1", headers=key).status == 401
    after = ask(nginx, "/identify", headers=key)
    spent = (int(before.headers["X-Quota-Monthly-Remaining"])
             - int(after.headers["X-Quota-Monthly-Remaining"]))
    assert spent == 1
