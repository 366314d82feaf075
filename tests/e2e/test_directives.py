"""The directives: what they refuse, and what they do."""

import json

import pytest

from fake_sidecar import allow, deny
from harness.client import ask
from harness.nginx import CHECKED
from harness.process import wait_until

PASS = "quota_pass unix:/tmp/nobody.sock;"
ON = "location / { quota on; }"

# Each: what stands in http, what in server, and the words that the message must hold: the directive
# that is wrong, and what would be right.
MISTAKES = {
    "quota neither on nor off": (PASS, "quota maybe;", ["quota", "on", "off"]),
    "quota without quota_pass": ("", ON, ["quota_pass"]),
    "quota_pass twice": (PASS + PASS, ON, ["quota_pass", "duplicate"]),
    "quota_pass without an address": ("quota_pass unix:;", ON, ["quota_pass"]),
    "quota_pass with a host nobody knows":
        ("quota_pass no.such.host.invalid:1;", ON, ["quota_pass", "no.such.host.invalid"]),
    "quota_pass without a port": ("quota_pass 127.0.0.1;", ON, ["quota_pass", "port"]),
    "quota_pass in a server": (PASS, "quota_pass unix:/tmp/x.sock;", ["quota_pass", "not allowed"]),
    "quota_attribute without a value": (PASS, "quota_attribute api_key;", ["quota_attribute"]),
    "quota_attribute without a name": (PASS, 'quota_attribute "" $uri;', ["quota_attribute"]),
    "quota_attribute twice":
        (PASS, "quota_attribute a $uri; quota_attribute a $host;", ["quota_attribute"]),
    "quota_phase unknown":
        (PASS, "quota_phase content;", ["quota_phase", "preaccess", "access", "precontent"]),
    "quota_timeout without sense": (PASS, "quota_timeout soon;", ["quota_timeout"]),
    "quota_timeout of zero": (PASS, "quota_timeout 0;", ["quota_timeout"]),
    "quota_on_error unknown":
        (PASS, "quota_on_error panic;", ["quota_on_error", "allow", "deny", "local"]),
    "quota_on_error local without a zone":
        (PASS, "location / { quota on; quota_on_error local; }", ["quota_local_zone"]),
    "quota_local_zone without a size": (PASS + "quota_local_zone z rate=30r/m;", ON,
                                        ["quota_local_zone", "size"]),
    "quota_local_zone too small": (PASS + "quota_local_zone z:1k rate=30r/m;", ON,
                                   ["quota_local_zone"]),
    "quota_local_zone without a rate": (PASS + "quota_local_zone z:1m;", ON,
                                        ["quota_local_zone"]),
    "quota_local_zone with a rate of nonsense": (PASS + "quota_local_zone z:1m rate=often;", ON,
                                                 ["quota_local_zone", "rate"]),
    "quota_local_zone twice":
        (PASS + "quota_local_zone z:1m rate=30r/m; quota_local_zone y:1m rate=30r/m;", ON,
         ["quota_local_zone", "duplicate"]),
    "quota_status of success": (PASS, "quota_status 200;", ["quota_status"]),
    "quota_status that is no number": (PASS, "quota_status many;", ["quota_status"]),
    "quota_status beyond all": (PASS, "quota_status 1000;", ["quota_status"]),
    "quota_headers unknown":
        (PASS, "quota_headers all;", ["quota_headers", "legacy", "ietf", "both", "off"]),
    "quota_body neither on nor off": (PASS, "quota_body json;", ["quota_body", "on", "off"]),
    "quota_dry_run neither on nor off": (PASS, "quota_dry_run 1;", ["quota_dry_run", "on", "off"]),
    "quota_log_level unknown":
        (PASS, "quota_log_level loud;", ["quota_log_level", "info", "notice", "warn", "error"]),
    "quota_metrics in a server": (PASS, "quota_metrics;", ["quota_metrics", "not allowed"]),
    "quota_metrics with an argument":
        (PASS, "location / { quota_metrics on; }", ["quota_metrics"]),
}


@pytest.mark.parametrize("http, server, words", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_refused_with_a_message_that_helps(stack, http, server, words):
    nginx = stack.nginx(server, http=http, quota="", start=False)
    nginx.allow_complaints("")
    code, message = nginx.test()
    complaint = "\n".join(line for line in message.splitlines() if "[emerg]" in line)
    assert code != 0
    assert [word for word in words if word not in complaint] == [], message
    assert str(nginx.config_path) in complaint, message


@pytest.mark.parametrize("http, server", [
    ("", ""),
    (PASS, ""),
    (PASS, ON),
    (PASS + "quota on;", ""),
    ("quota_pass 127.0.0.1:4000;", ON),
    ("quota_pass [::1]:4000;", ON),
    ("quota_pass localhost:4000;", ON),
    (PASS + "quota_local_zone z:1m rate=30r/m; quota_on_error local;", ON),
    (PASS + "quota_local_zone z:64k rate=10r/s; quota_on_error local;", ON),
    (PASS, "quota on; quota_attribute api_key $http_x_api_key; quota_phase access;"
           "quota_timeout 5ms; quota_on_error deny; quota_status 503; quota_headers off;"
           "quota_body off; quota_dry_run on; quota_log_level warn;"
           "location /m { quota_metrics; }"),
])
def test_what_is_right_is_accepted_without_a_word(stack, http, server):
    code, message = stack.nginx(server, http=http, quota="", start=False).test()
    assert code == 0, message
    assert "[warn]" not in message


def test_the_module_does_nothing_unless_switched_on(stack):
    fake = stack.fake_sidecar(behaviour=deny)
    nginx = stack.nginx("location / { proxy_pass http://content; }", sidecar=fake)
    assert ask(nginx).status == 200
    assert fake.accepted == 0


def test_a_location_may_switch_off_what_its_server_switched_on(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx("""
        quota on;
        location / { proxy_pass http://content; }
        location /free { quota off; proxy_pass http://content; }""", sidecar=fake)
    ask(nginx, "/free")
    assert len(fake.checks) == 0
    ask(nginx, "/")
    assert len(fake.checks) == 1


def test_attributes_are_inherited(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx("""
        quota on;
        quota_attribute api_key $http_x_api_key;
        location / { proxy_pass http://content; }""", sidecar=fake)
    ask(nginx, key="inherited")
    assert fake.checks[0].api_key == b"inherited"


def test_attributes_of_a_location_replace_the_inherited_ones(stack):
    # As proxy_set_header and add_header do.
    fake = stack.fake_sidecar()
    nginx = stack.nginx("""
        quota_attribute api_key $http_x_api_key;
        location / { quota on; quota_attribute country CH; proxy_pass http://content; }""",
                        sidecar=fake)
    ask(nginx, key="inherited")
    assert (fake.checks[0].api_key, fake.checks[0].attributes["country"]) == (b"", b"CH")


# -- phases


@pytest.mark.parametrize("phase, checks", [("preaccess", 1), ("precontent", 0)])
def test_quota_phase_says_whether_the_check_comes_before_access_control(stack, phase, checks):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(f"quota_phase {phase}; location / {{ {CHECKED} deny all; }}", sidecar=fake)
    assert ask(nginx).status == 403
    assert len(fake.checks) == checks


@pytest.mark.parametrize("phase", ["preaccess", "access", "precontent"])
@pytest.mark.parametrize("behaviour, status", [(allow, 200), (deny, 429)])
def test_a_check_works_in_every_phase(stack, phase, behaviour, status):
    fake = stack.fake_sidecar(behaviour=behaviour)
    nginx = stack.nginx(f"quota_phase {phase}; location / {{ {CHECKED} }}", sidecar=fake)
    assert ask(nginx).status == status
    assert len(fake.checks) == 1


@pytest.mark.parametrize("phase", ["preaccess", "access", "precontent"])
def test_an_allowed_check_does_not_open_what_satisfy_any_guards(stack, phase):
    nginx = stack.nginx(f"quota_phase {phase}; satisfy any; location / {{ {CHECKED} deny all; }}",
                        sidecar=stack.fake_sidecar())
    assert ask(nginx).status == 403


@pytest.mark.parametrize("phase", ["preaccess", "access", "precontent"])
def test_a_denied_check_is_not_opened_by_satisfy_any(stack, phase):
    nginx = stack.nginx(f"quota_phase {phase}; satisfy any; location / {{ {CHECKED} allow all; }}",
                        sidecar=stack.fake_sidecar(behaviour=deny))
    assert ask(nginx).status == 429


# -- dry run


def test_a_dry_run_lets_denied_requests_through_and_says_so(stack):
    nginx = stack.nginx(f"""
        location / {{ {CHECKED} quota_dry_run on; add_header X-Outcome $quota_outcome; }}""",
                        sidecar=stack.fake_sidecar(behaviour=deny))
    answer = ask(nginx)
    assert (answer.status, answer.headers["X-Outcome"]) == (200, "dry_run_denied")
    assert not answer.all("Retry-After")


def test_a_dry_run_reports_allowed_requests_as_allowed(stack):
    nginx = stack.nginx(f"""
        location / {{ {CHECKED} quota_dry_run on; add_header X-Outcome $quota_outcome; }}""",
                        sidecar=stack.fake_sidecar())
    assert ask(nginx).headers["X-Outcome"] == "allowed"


# -- logs


@pytest.mark.parametrize("level", ["info", "notice", "warn", "error"])
def test_quota_log_level_is_the_level_at_which_a_lost_sidecar_is_logged(stack, level):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(f"location / {{ {CHECKED} }}", sidecar=fake,
                        quota=f"quota_timeout 20s; quota_log_level {level};")
    ask(nginx)
    fake.stop()
    ask(nginx)
    wait_until(lambda: "quota" in nginx.error_log(), "nginx logs that the sidecar is away")
    lines = [line for line in nginx.error_log().splitlines() if "quota:" in line]
    assert lines
    assert all(f"[{level}]" in line for line in lines), lines


def test_an_allowed_request_is_not_logged_as_an_event(stack):
    nginx = stack.nginx(f"location / {{ {CHECKED} quota_log_level error; }}",
                        sidecar=stack.fake_sidecar())
    ask(nginx, "/allowed-path")
    assert "/allowed-path" not in nginx.error_log()


VARIABLES = {
    "quota_outcome": "allowed", "quota_reason": "ok", "quota_consumer": "someone",
    "quota_tier": "free", "quota_endpoint": "default", "quota_cost": "1", "quota_limit": "100",
    "quota_remaining": "42", "quota_reset": "4000000000", "quota_month_remaining": "49000"}


def access_line(stack, behaviour, path="/"):
    fields = ", ".join(f'"{name}": "${name}"' for name in [*VARIABLES, "quota_time"])
    nginx = stack.nginx(f"""
        location / {{ {CHECKED} }}
        location /off {{ proxy_pass http://content; }}
        access_log variables.txt variables;""",
                        http=f"log_format variables escape=json '{{ {fields} }}';",
                        sidecar=stack.fake_sidecar(behaviour=behaviour))
    ask(nginx, path)
    log = nginx.prefix / "variables.txt"
    wait_until(log.read_text, "the request is logged")
    return json.loads(log.read_text())


def test_the_variables_hold_the_verdict_in_the_access_log(stack):
    line = access_line(stack, allow)
    seconds = float(line.pop("quota_time"))
    assert line == VARIABLES
    assert 0 <= seconds < 20


def test_the_variables_of_a_denied_request(stack):
    line = access_line(stack, deny)
    del line["quota_time"]
    assert line == {**VARIABLES, "quota_outcome": "denied", "quota_reason": "minute",
                    "quota_remaining": "0"}


def test_the_variables_of_an_unchecked_request_are_empty(stack):
    assert set(access_line(stack, allow, "/off").values()) <= {"", "-"}
