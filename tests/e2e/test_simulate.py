"""quotactl simulate: what a policy would have done to traffic that nginx recorded."""

import json

from harness import environment
from harness.client import ask
from harness.nginx import CHECKED
from harness.process import run, wait_until
from harness.quotad import consumer, policy

OK, ERROR, DENIED = range(3)

# As docs/configuration.md gives it to the reader.
FORMAT = """log_format traffic '$msec,$request_method,"$uri",$quota_consumer,$remote_addr';"""


def simulate(*words):
    return run([environment.built("quotactl"), "simulate", *words])


def test_traffic_that_nginx_recorded_comes_out_as_quotad_decided_it(stack):
    text = policy([consumer("acme"), consumer("beta", "pro")],
                  tiers={"free": {"requests_per_minute": 10}, "pro": {"requests_per_minute": 40}})
    path = stack.workdir / "traffic.csv"
    server = f"location / {{ {CHECKED} access_log {path} traffic; }}"
    nginx = stack.nginx(server, sidecar=stack.quotad(text), http=FORMAT)
    denied = {"acme": 0, "beta": 0}
    for i in range(120):
        who = ("acme", "beta")[i % 2]
        answer = ask(nginx, ("/identify", "/compare")[i % 4 // 2], headers={"X-API-Key": f"{who}-key"})
        denied[who] += answer.status == 429
    assert denied["acme"] > 40 and denied["beta"] > 10
    wait_until(lambda: len(path.read_text().splitlines()) == 120, "every request is recorded")

    policy_file = stack.workdir / "policy.yaml"
    policy_file.write_text(text)
    path.write_text("time,method,path,consumer,client_ip\n" + path.read_text())
    done = simulate(policy_file, path, "--json")
    assert done.returncode == OK, done.stderr
    found = json.loads(done.stdout)
    assert found["total"]["requests"] == 120
    for subject in found["subjects"]:
        # The log's times are those of the answers, in milliseconds: a token may have come later.
        assert abs(subject["denied"] - denied[subject["consumer"]]) <= 1


def test_more_denials_than_are_wanted_are_an_exit_code(stack):
    policy_file = stack.workdir / "policy.yaml"
    policy_file.write_text(policy())
    traffic = stack.workdir / "traffic.csv"
    traffic.write_text("time,path,client_ip\n" + "1795000000,/identify,192.0.2.1\n" * 40)
    assert simulate(policy_file, traffic, "--at-most", "25").returncode == OK
    done = simulate(policy_file, traffic, "--at-most", "24.9")
    assert done.returncode == DENIED
    assert "192.0.2.1" in done.stdout


def test_what_is_wrong_is_said_with_its_place(stack):
    policy_file = stack.workdir / "policy.yaml"
    policy_file.write_text(policy())
    traffic = stack.workdir / "traffic.csv"
    traffic.write_text("time,path\n1795000000,/a\nyesterday,/b\n")
    for words, said in [((policy_file, traffic), f"{traffic}: line 3: \"yesterday\" is no time"),
                        ((policy_file, stack.workdir / "none.csv"), "none.csv: No such file"),
                        ((stack.workdir / "none.yaml", traffic), "none.yaml"),
                        ((policy_file, traffic, "--at-most", "101"), "--at-most")]:
        done = simulate(*words)
        assert done.returncode == ERROR
        assert said in done.stderr
