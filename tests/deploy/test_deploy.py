"""deploy.sh from the first call to the last, in a cluster that is a fake."""

import base64
import re

import pytest

from cluster import OWN_SECRETS


def steps_of(done):
    return re.findall(r"^Step (\d) of 6", done.stdout, re.MULTILINE)


def test_dry_run_changes_nothing_and_shows_what_would_be_done(cluster):
    done = cluster.deploy("--dry-run")
    assert done.returncode == 0, done.stderr
    assert cluster.changes() == []
    assert steps_of(done) == list("123456")
    for line in ("would create: Deployment kong", "would run Job kong-migrations",
                 "would create: Secret quota-redis with a random password",
                 "would wait for StatefulSet quota-redis", "Nothing was changed."):
        assert line in done.stdout


def test_dry_run_tells_what_is_there_from_what_is_new(running):
    running.remove("PodMonitor", "quotagate")
    done = running.deploy("--dry-run")
    assert done.returncode == 0, done.stderr
    assert running.changes() == []
    assert "would bring up to date: Deployment kong" in done.stdout
    assert "would create: PodMonitor quotagate" in done.stdout
    assert "would run Job" not in done.stdout


def test_a_deployment_brings_everything_and_sums_it_up(cluster):
    done = cluster.deployed()
    assert steps_of(done) == list("123456")
    assert cluster.names("StatefulSet") == ["kong-postgres", "quota-redis"]
    assert len(cluster.gateways()) == 3
    assert cluster.load()["job_runs"] == ["kong-migrations", "kong-config"]
    assert "in namespace api-gateway of fake-context, as revision 1" in done.stdout
    assert "http://203.0.113.10/health" in done.stdout
    assert len(re.findall(r"^  [1-6]  .* s  ", done.stdout, re.MULTILINE)) == 6


def test_secrets_are_random_and_made_once(running):
    passwords = {name: running.secret(name) for name in OWN_SECRETS}
    assert len(set(passwords.values())) == 3
    assert all(re.fullmatch("[0-9a-f]{48}", password) for password in passwords.values())
    running.deployed()
    assert {name: running.secret(name) for name in OWN_SECRETS} == passwords
    assert "create -f -" not in " ".join(running.changes())


def test_a_second_run_does_nothing_twice(running):
    before = running.load()
    done = running.deployed()
    assert "created" not in done.stdout and "configured" not in done.stdout
    after = running.load()
    assert after["job_runs"] == before["job_runs"]
    assert after["quotads"].keys() == before["quotads"].keys()
    assert running.names("ConfigMap").count("quotagate-revision-1") == 1
    assert "quotagate-revision-2" not in running.names("ConfigMap")


# -- What must stay as it is


def test_secrets_that_exist_are_never_touched(cluster):
    for name, key in OWN_SECRETS.items():
        cluster.put("Secret", name, data={key: base64.b64encode(b"chosen-by-a-person").decode()})
    done = cluster.deployed()
    assert {cluster.secret(name) for name in OWN_SECRETS} == {"chosen-by-a-person"}
    assert done.stdout.count("is there and stays as it is.") == 3


def test_a_secret_without_its_key_is_refused_and_not_repaired(cluster):
    cluster.put("Secret", "kong-postgres", data={"pass": "eA=="})
    done = cluster.deploy("--yes")
    assert done.returncode == 1
    assert "the Secret kong-postgres exists, and has no key 'password'" in done.stderr
    assert cluster.get("Secret", "kong-postgres")["data"] == {"pass": "eA=="}
    cluster.remove("Secret", "kong-postgres")


def test_pods_that_an_autoscaler_has_added_stay(running):
    state = running.load()
    state["objects"]["Deployment/kong"]["spec"]["replicas"] = 7
    running.save(state)
    running.heal()
    running.edit("full", "gateway.yaml", "quotagate/quotad:0.1.0", "quotagate/quotad:0.2.0")
    running.deployed()
    assert running.get("Deployment", "kong")["spec"]["replicas"] == 7
    assert len(running.gateways()) == 7


# -- What changes


def test_a_new_policy_reaches_every_pod_without_a_restart(running):
    gateways = running.gateways()
    running.edit("full", "configuration.yaml", "requests_per_minute: 100", "requests_per_minute: 10")
    done = running.deployed()
    assert "is in force in 3 of 3 pods" in done.stdout
    assert running.gateways() == gateways
    assert all("10," in quotad["policy"] for quotad in running.load()["quotads"].values())
    assert "as revision 2:" in done.stdout
    assert running.load()["job_runs"].count("kong-config") == 1


def test_new_routes_are_imported_once_and_taken_up_by_new_pods(running):
    gateways = running.gateways()
    running.edit("full", "configuration.yaml", '"3.0"', '"3.1"')
    running.deployed()
    assert running.load()["job_runs"].count("kong-config") == 2
    renewed = running.gateways()
    assert not set(renewed) & set(gateways)
    running.deployed()
    assert running.load()["job_runs"].count("kong-config") == 2
    assert running.gateways() == renewed


def test_without_a_database_new_routes_start_new_pods(cluster):
    cluster.deployed(overlay="bare")
    gateways = cluster.gateways()
    cluster.deployed(overlay="bare")
    assert cluster.gateways() == gateways
    cluster.edit("bare", "gateway.yaml", '"3.0"', '"3.1"')
    cluster.deployed(overlay="bare")
    assert not set(cluster.gateways()) & set(gateways)


def test_steps_without_anything_to_do_say_so(cluster):
    done = cluster.deployed(overlay="bare")
    for text in ("no PostgreSQL in this overlay", "no Redis in this overlay",
                 "no monitoring in this overlay"):
        assert text in done.stdout
    assert "run one gateway pod only" in done.stdout
    assert cluster.names("Secret") == ["quotad-admin"]
    assert "create namespace api-gateway" in " ".join(cluster.changes())


def test_another_namespace_is_used_for_everything(cluster):
    done = cluster.deployed("--namespace", "elsewhere")
    assert cluster.names("Namespace") == ["elsewhere"]
    assert {thing["metadata"].get("namespace", "elsewhere")
            for thing in cluster.load()["objects"].values()} == {"elsewhere"}
    assert all("elsewhere" in call["argv"] for call in cluster.calls()
               if call["argv"][0] not in ("config", "annotate"))
    assert "scripts/rollback.sh --namespace elsewhere" in done.stdout


def test_a_mode_that_is_overridden_is_mentioned(running):
    assert running.run("emergency.sh", "shadow", "--yes").returncode == 0
    done = running.deployed()
    assert done.stdout.count("Note: the mode is overridden: shadow") == 2


def test_only_the_newest_revisions_are_kept(running):
    for number in range(2, 13):
        running.put("ConfigMap", f"quotagate-revision-{number}", metadata={"labels": {
            "quotagate/revision": str(number), "quotagate/state": "deployed"}})
    done = running.deployed()
    assert "as revision 13:" in done.stdout
    kept = sorted(int(name.rpartition("-")[2]) for name in running.names("ConfigMap")
                  if "revision" in name)
    assert kept == list(range(4, 14))


# -- Questions and words


def test_without_a_terminal_it_wants_yes(cluster):
    done = cluster.deploy()
    assert done.returncode == 1
    assert "nobody is there to be asked; nothing was changed. Add --yes" in done.stderr
    assert cluster.changes() == []


@pytest.mark.parametrize("answer", ["", "n", "no", "maybe"])
def test_on_a_terminal_it_asks_and_takes_no_for_an_answer(cluster, answer):
    done = cluster.run_on_terminal("deploy.sh", "--overlay", cluster.overlay("full"), answer=answer)
    assert done.returncode == 1
    assert "to namespace api-gateway of fake-context?" in done.stderr
    assert "nothing was changed" in done.stderr
    assert cluster.changes() == []


def test_on_a_terminal_it_asks_and_goes_ahead(running):
    done = running.run_on_terminal("deploy.sh", "--overlay", running.overlay("full"), answer="y")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words, complaint", [
    (["--dance"], "unknown option '--dance'"),
    (["--overlay", "nowhere"], "there is no overlay 'nowhere'"),
    (["--overlay="], "--overlay wants a name or a directory"),
    (["--namespace", "Not_A_Name"], "--namespace wants a name of lower case letters"),
    (["--namespace"], "--namespace wants a value"),
    (["--timeout", "soon"], "--timeout wants whole seconds"),
])
def test_it_refuses_what_it_does_not_understand(cluster, words, complaint):
    done = cluster.run("deploy.sh", *words)
    assert done.returncode == 1
    assert done.stderr.startswith("deploy.sh: ") and complaint in done.stderr
    assert cluster.calls() == []


@pytest.mark.parametrize("script", ["deploy.sh", "rollback.sh", "emergency.sh"])
def test_each_script_explains_itself(cluster, script):
    done = cluster.run(script, "--help")
    assert done.returncode == 0
    assert f"scripts/{script}" in done.stdout and "--namespace N" in done.stdout
    assert cluster.calls() == []
