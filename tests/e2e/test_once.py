"""One client request is charged once, however often nginx turns it around inside."""

import pytest

from fake_sidecar import deny
from harness.client import ask
from harness.process import wait_until

QUOTA = "quota on;"
CONTENT = "proxy_pass http://content;"

# Each: the configuration, the path to ask for, and the status that comes back.
TURNS = {
    "auth_request": (f"""
        location / {{ {QUOTA} auth_request /auth; {CONTENT} }}
        location = /auth {{ {QUOTA} {CONTENT} }}""", "/", 200),
    "auth_request in the access phase": (f"""
        quota_phase access;
        location / {{ {QUOTA} auth_request /auth; {CONTENT} }}
        location = /auth {{ {QUOTA} {CONTENT} }}""", "/", 200),
    "ssi": (f"""
        location / {{ {QUOTA} ssi on; ssi_types *; root $HTML; }}
        location /part {{ {QUOTA} {CONTENT} }}""", "/ssi.html", 200),
    "addition": (f"""
        location / {{ {QUOTA} addition_types *; add_before_body /before; add_after_body /after;
                      {CONTENT} }}
        location /before {{ {QUOTA} {CONTENT} }}
        location /after {{ {QUOTA} {CONTENT} }}""", "/", 200),
    "mirror": (f"""
        location / {{ {QUOTA} mirror /mirror; {CONTENT} }}
        location = /mirror {{ internal; {QUOTA} {CONTENT} }}""", "/", 200),
    "try_files to a file": (f"""
        location / {{ {QUOTA} root $HTML; try_files $uri =404; }}""", "/page.html", 200),
    "try_files to another location": (f"""
        location / {{ {QUOTA} root $HTML; try_files $uri /other; }}
        location = /other {{ {QUOTA} {CONTENT} }}""", "/missing", 200),
    "try_files to a named location": (f"""
        location / {{ {QUOTA} root $HTML; try_files $uri @app; }}
        location @app {{ {QUOTA} {CONTENT} }}""", "/missing", 200),
    "error_page to a location": (f"""
        location / {{ {QUOTA} root $HTML; error_page 404 = /other; }}
        location = /other {{ {QUOTA} {CONTENT} }}""", "/missing", 200),
    "error_page to a named location": (f"""
        location / {{ {QUOTA} root $HTML; error_page 404 = @app; }}
        location @app {{ {QUOTA} {CONTENT} }}""", "/missing", 200),
    "error_page that keeps the status": (f"""
        location / {{ {QUOTA} root $HTML; error_page 404 /other; }}
        location = /other {{ {QUOTA} {CONTENT} }}""", "/missing", 404),
    "error_page as routing": (f"""
        location / {{ error_page 418 = @app; return 418; }}
        location @app {{ {QUOTA} {CONTENT} }}""", "/", 200),
    "error_page of an intercepted answer": (f"""
        location / {{ {QUOTA} proxy_pass http://127.0.0.1:1; error_page 502 = @app; }}
        location @app {{ {QUOTA} {CONTENT} }}""", "/", 200),
    "two named locations in a row": (f"""
        location / {{ {QUOTA} root $HTML; try_files $uri @first; }}
        location @first {{ {QUOTA} root $HTML; error_page 404 = @second; try_files $uri =404;
                           recursive_error_pages on; }}
        location @second {{ {QUOTA} {CONTENT} }}
        recursive_error_pages on;""", "/missing", 200),
    "index": (f"""
        location / {{ {QUOTA} root $HTML; index page.html; }}""", "/", 200),
    "rewrite to another location": (f"""
        location / {{ {QUOTA} rewrite ^ /other last; }}
        location = /other {{ {QUOTA} {CONTENT} }}""", "/", 200),
    "X-Accel-Redirect": (f"""
        location / {{ {QUOTA} proxy_pass http://unix:$HTML/accel.sock; }}
        location = /other {{ internal; {QUOTA} {CONTENT} }}""", "/", 200),
    "X-Accel-Redirect from a location without quotas": (f"""
        location / {{ proxy_pass http://unix:$HTML/accel.sock; }}
        location = /other {{ internal; {QUOTA} {CONTENT} }}""", "/", 200),
}


def gateway(stack, server, **how):
    html = stack.workdir / "html"
    html.mkdir()
    (html / "page.html").write_text("page")
    (html / "ssi.html").write_text(
        '<!--# include virtual="/part/1" --><!--# include virtual="/part/2" -->')
    http = f"""server {{
        listen unix:{html}/accel.sock;
        location / {{ add_header X-Accel-Redirect /other; return 204; }}
    }}"""
    fake = stack.fake_sidecar(**how)
    return stack.nginx(server.replace("$HTML", str(html)), http=http, sidecar=fake), fake


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("server, path, status", TURNS.values(), ids=TURNS.keys())
def test_a_request_is_checked_once(stack, server, path, status, method):
    nginx, fake = gateway(stack, server)
    answer = ask(nginx, path, method=method)
    assert answer.status == status
    # A mirror may still be under way.
    wait_until(lambda: nginx.requests_in_progress() == 0, "nginx has nothing left to do")
    assert len(fake.checks) == 1


@pytest.mark.parametrize("server, path, status", TURNS.values(), ids=TURNS.keys())
def test_its_headers_are_sent_once(stack, server, path, status):
    nginx, _ = gateway(stack, server)
    answer = ask(nginx, path)
    assert answer.status == status
    assert len(answer.all("X-RateLimit-Limit")) == 1
    assert len(answer.all("RateLimit")) == 1


def test_a_denial_with_an_error_page_is_checked_once(stack):
    nginx, fake = gateway(stack, f"""
        location / {{ {QUOTA} quota_body off; error_page 429 /slow-down; {CONTENT} }}
        location = /slow-down {{ {QUOTA} {CONTENT} }}""", behaviour=deny)
    answer = ask(nginx, "/")
    assert (answer.status, answer.body) == (429, b"/slow-down")
    assert len(fake.checks) == 1


def test_a_denied_request_starts_no_subrequest(stack):
    upstream = stack.upstream()
    nginx, _ = gateway(stack, f"""
        location / {{ {QUOTA} mirror /mirror; {CONTENT} }}
        location = /mirror {{ internal; proxy_pass http://{upstream.address}; }}""", behaviour=deny)
    assert ask(nginx, "/").status == 429
    assert not upstream.received


def test_only_the_location_that_answers_decides_whether_a_request_is_checked(stack):
    nginx, fake = gateway(stack, f"""
        location / {{ root $HTML; try_files $uri @app; }}
        location @app {{ {QUOTA} {CONTENT} }}""")
    assert ask(nginx, "/page.html").status == 200
    assert len(fake.checks) == 0
    assert ask(nginx, "/missing").status == 200
    assert len(fake.checks) == 1


def test_the_next_request_of_a_connection_is_checked_anew(stack):
    nginx, fake = gateway(stack, TURNS["try_files to a named location"][0])
    for _ in range(3):
        ask(nginx, "/missing")
    assert len(fake.checks) == 3
