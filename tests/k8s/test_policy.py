"""quotad and quotactl themselves take what they are given."""

import os
import pathlib
import re
import subprocess

import pytest
import yaml

from manifests import known, render

BUILD = pathlib.Path(os.environ["QUOTA_BUILD_DIR"])
SECRET = "0123456789abcdef0123456789abcdef"


def run(*arguments, env=None):
    done = subprocess.run([str(one) for one in arguments], capture_output=True, text=True,
                          env=env, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def policy_of(world):
    return world.get("ConfigMap", "quota-policy")["data"]["policy.yaml"]


@pytest.fixture(name="root")
def fixture_root(world, tmp_path):
    """What quotad's container sees, below a directory: mounted files, and empty directories."""
    for pod in world.gateways():
        for mount in pod.container("quotad")["volumeMounts"]:
            place = tmp_path / mount["mountPath"].lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            volume = pod.volumes()[mount["name"]]
            if "configMap" in volume:
                for key, text in world.get("ConfigMap", volume["configMap"]["name"])["data"].items():
                    (place / key).write_text(text.replace("/etc/quota/", f"{tmp_path}/etc/quota/"))
            if "secret" in volume:
                for key in known.SECRETS[volume["secret"]["secretName"]]:
                    (place / key).write_text(SECRET)
                    (place / key).chmod(0o600)
    return tmp_path


def test_quotactl_takes_the_policy(root):
    code, said = run(BUILD / "quotactl", "validate", root / "etc/quota/policy/policy.yaml")
    assert code == 0, said
    assert re.search(r"is valid: 4 tiers, [56] endpoint rules, 0 consumers", said)


def test_quotactl_sees_a_mistake_in_it(root):
    path = root / "etc/quota/policy/policy.yaml"
    path.write_text(path.read_text().replace("burst:", "bursts:"))
    code, said = run(BUILD / "quotactl", "validate", path)
    assert code == 1 and "bursts" in said


def settings(world, root):
    entries = world.gateways()[0].container("quotad")["env"]
    env = {entry["name"]: re.sub(r"(?<![\w.])/(etc|run|var)/", f"{root}/\\1/", entry["value"])
           for entry in entries}
    # The socket's path has little room, and is not looked at by --check anyway.
    return env | {"QUOTAD_LISTEN": "unix:/tmp/quota.sock", "PATH": os.environ["PATH"]}


def test_quotad_takes_its_settings_and_files(world, root):
    code, said = run(BUILD / "quotad", "--check", env=settings(world, root))
    assert code == 0, said


@pytest.mark.parametrize("name, value", [("QUOTAD_THREADS", "many"), ("QUOTAD_NO_SUCH", "1"),
                                         ("QUOTAD_ADMIN_TOKEN_FILE", "/nowhere/token"),
                                         ("QUOTAD_STORE", "redis-sentinel://nobody")])
def test_quotad_sees_a_mistake_in_them(world, root, name, value):
    code, said = run(BUILD / "quotad", "--check", env=settings(world, root) | {name: value})
    assert code != 0, said


def test_the_policy_is_the_agreed_one(worlds):
    policy = yaml.safe_load(policy_of(worlds["overlays/production"]))
    assert policy["tiers"] == {
        "free": {"requests_per_minute": 100, "monthly_quota": 50000},
        "pro": {"requests_per_minute": 1000, "monthly_quota": 1000000},
        "enterprise": {"unlimited": True}, "partner": {"unlimited": True}}
    assert {rule["path"]: rule["cost"] for rule in policy["endpoints"]} == {
        "*": 0, "/identify": 1.0, "/compare": 2.0, "/batch": 1.0, "/health": 0,
        "/kong_error_handler": 0}
    assert (policy["mode"], policy["store_lost"]) == ("enforce", "local_share")


def test_both_policies_differ_in_what_concerns_the_gateway_only(worlds):
    kong, nginx = (yaml.safe_load(policy_of(worlds[name]))
                   for name in ("api-gateway", "nginx-gateway"))
    # nginx authenticates nobody, so nothing that it says may be believed.
    assert "trust" not in nginx["identity"]
    kong["endpoints"].remove({"path": "/kong_error_handler", "cost": 0})
    kong.pop("identity")
    nginx.pop("identity")
    assert kong == nginx


def test_the_policys_name_has_no_hash_so_a_change_restarts_nobody(world):
    assert world.get("ConfigMap", "quota-policy") is not None
    for pod in world.gateways():
        assert pod.volumes()["quota-policy"]["configMap"]["name"] == "quota-policy"


def test_no_secret_is_in_a_base():
    """Secrets are made by hand or by deploy.sh; development has the keys of the demo."""
    for path in render.K8S.rglob("*.yaml"):
        if path.name != "secrets.example.yaml":
            assert "kind: Secret\n" not in path.read_text(), path
            if "secretGenerator" in path.read_text():
                assert path.parent.name == "development"
    for line in (render.K8S / "api-gateway" / "secrets.example.yaml").read_text().splitlines():
        if re.search(r"\b(password|token|key|secret): ", line) and "key: globex" not in line:
            assert "REPLACE-ME" in line, line
