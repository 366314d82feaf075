"""rollback.sh: back to what was deployed before, and no further."""

import json

import pytest

from cluster import FakeCluster


def other_version(cluster):
    """Changes pods, policy and routes, and adds an object."""
    cluster.edit("full", "gateway.yaml", "quotagate/quotad:0.1.0", "quotagate/quotad:0.2.0")
    cluster.edit("full", "configuration.yaml", "requests_per_minute: 100", "requests_per_minute: 7")
    cluster.edit("full", "configuration.yaml", '"3.0"', '"3.1"')
    cluster.edit("full", "base.yaml", "---\napiVersion: networking",
                 "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
                 "metadata: {name: only-in-two}\nspec: {podSelector: {}}\n"
                 "---\napiVersion: networking")


@pytest.fixture(name="second_state", scope="module")
def fixture_second_state(tmp_path_factory, deployed_state):
    """Revision 2 after revision 1."""
    cluster = FakeCluster(tmp_path_factory.mktemp("second"))
    cluster.save(json.loads(deployed_state))
    other_version(cluster)
    cluster.deployed()
    return json.dumps(cluster.load())


@pytest.fixture(name="second")
def fixture_second(cluster, second_state):
    cluster.save(json.loads(second_state))
    return cluster


def essence(state):
    """What rollback.sh is for."""
    objects = state["objects"]
    kong = objects["Deployment/kong"]["spec"]
    return {"pods": sorted(state["quotads"]), "template": kong["template"],
            "strategy": kong["strategy"], "policy": objects["ConfigMap/quota-policy"]["data"],
            "routes": objects["ConfigMap/kong-config"]["data"],
            "policies": sorted(name for name in objects if name.startswith("NetworkPolicy/")),
            "in force": sorted(quotad["policy"] for quotad in state["quotads"].values())}


def states(cluster):
    return {name.rpartition("-")[2]: cluster.get("ConfigMap", name)["metadata"]["labels"]
            ["quotagate/state"] for name in cluster.names("ConfigMap") if "revision" in name}


def test_it_brings_back_pods_policy_and_routes_and_takes_away_what_is_new(second, deployed_state):
    before = second.load()
    assert essence(before) != essence(json.loads(deployed_state))
    done = second.run("rollback.sh", "--yes")
    assert done.returncode == 0, done.stderr
    # The same names of pods: Kubernetes would find the ReplicaSet of before.
    assert essence(second.load()) == essence(json.loads(deployed_state))
    assert "deleted: NetworkPolicy/only-in-two" in done.stdout
    assert second.load()["job_runs"] == before["job_runs"] + ["kong-config"]
    assert states(second) == {"1": "deployed", "2": "rolled-back"}


def test_it_touches_no_secret_and_no_database(second):
    untouched = ("Secret/", "StatefulSet/", "PersistentVolumeClaim/", "PodMonitor/", "Namespace/")

    def those():
        return {name: thing for name, thing in second.load()["objects"].items()
                if name.startswith(untouched)}
    before = those()
    assert second.run("rollback.sh", "--yes").returncode == 0
    assert those() == before


def test_a_volume_that_only_the_newer_revision_has_stays(running):
    running.edit("full", "gateway.yaml", "---\napiVersion: v1\nkind: Service",
                 "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: state}\n"
                 "spec: {}\n---\napiVersion: v1\nkind: Service")
    running.edit("full", "gateway.yaml", "quotagate/quotad:0.1.0", "quotagate/quotad:0.2.0")
    running.deployed()
    assert running.run("rollback.sh", "--yes").returncode == 0
    assert "state" in running.names("PersistentVolumeClaim")


def test_all_pods_are_replaced_at_once(second):
    assert second.run("rollback.sh", "--yes").returncode == 0
    patch = [call for call in second.changes() if call.split()[2] == "patch"]
    assert len(patch) == 1
    assert '"maxSurge": "100%"' in patch[0] and '"minReadySeconds": 0' in patch[0]


def test_dry_run_changes_nothing(second):
    done = second.run("rollback.sh", "--dry-run")
    assert done.returncode == 0
    assert "From revision 2 (deployed) to revision 1 in namespace api-gateway:" in done.stdout
    assert "Deployment/kong" in done.stdout
    assert "To be deleted: NetworkPolicy/only-in-two" in done.stdout
    assert second.changes() == []


def test_it_lists_what_there_is(second):
    done = second.run("rollback.sh", "--list")
    assert done.returncode == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()] == \
        [["REVISION", "STATE"], ["2", "deployed"], ["1", "deployed"]]
    assert second.changes() == []


def test_after_a_deployment_that_failed_it_goes_to_the_last_good_one(running, deployed_state):
    other_version(running)
    running.set(job_failed=["kong-config"])
    assert running.deploy("--yes").returncode == 1
    assert states(running) == {"1": "deployed", "2": "deploying"}
    running.heal()
    done = running.run("rollback.sh", "--yes")
    assert done.returncode == 0, done.stderr
    assert "From revision 2 (deploying) to revision 1" in done.stdout
    assert essence(running.load()) == essence(json.loads(deployed_state))


def test_a_second_run_goes_on_to_the_same_revision(second):
    second.run("deploy.sh", "--overlay", second.overlay("bare"), "--yes")
    assert states(second) == {"1": "deployed", "2": "deployed", "3": "deployed"}
    second.set(apply_fails=["kong-proxy"])
    done = second.run("rollback.sh", "--yes")
    assert done.returncode == 1
    assert "going back to revision 2 failed: gateway cannot be applied" in done.stderr
    assert "Run it again to go on: it is on its way to revision 2." in done.stderr
    second.heal()
    assert second.run("rollback.sh", "--yes").returncode == 0
    assert states(second) == {"1": "deployed", "2": "deployed", "3": "rolled-back"}


def test_each_run_that_succeeds_goes_one_further_back(second):
    second.run("deploy.sh", "--overlay", second.overlay("bare"), "--yes")
    for expected in ({"1": "deployed", "2": "deployed", "3": "rolled-back"},
                     {"1": "deployed", "2": "rolled-back", "3": "rolled-back"}):
        assert second.run("rollback.sh", "--yes").returncode == 0
        assert states(second) == expected
    done = second.run("rollback.sh", "--yes")
    assert done.returncode == 1
    assert "revision 1 is the only one; there is nothing to go back to" in done.stderr


def test_it_goes_to_the_revision_that_is_named(second):
    second.run("deploy.sh", "--overlay", second.overlay("bare"), "--yes")
    done = second.run("rollback.sh", "--to", "1", "--yes")
    assert done.returncode == 0, done.stderr
    assert states(second) == {"1": "deployed", "2": "rolled-back", "3": "rolled-back"}


def test_it_says_when_pods_do_not_come_in_time(second):
    second.set(rollout_stuck=["kong"])
    done = second.run("rollback.sh", "--yes", "--timeout", "4")
    assert done.returncode == 1
    assert "going back to revision 1 failed: Deployment kong: not within the time limit of 4 s" \
        in done.stderr
    assert "rollout status deployment/kong" in done.stderr


def test_it_says_when_a_pod_keeps_the_newer_policy(running):
    # Only the policy differs, so no pod is replaced, and kubelet has to bring it.
    running.edit("full", "configuration.yaml", "requests_per_minute: 100", "requests_per_minute: 5")
    running.deployed()
    running.set(deaf_kubelet=["1"])
    done = running.run("rollback.sh", "--yes", "--timeout", "4")
    assert done.returncode == 1
    assert "the policy of before: not within the time limit of 4 s" in done.stderr
    assert "is in force in 2 of 3 pods" in done.stderr


def test_the_pods_of_an_autoscaler_stay(second):
    state = second.load()
    state["objects"]["Deployment/kong"]["spec"]["replicas"] = 6
    second.save(state)
    second.heal()
    assert second.run("rollback.sh", "--yes").returncode == 0
    assert len(second.gateways()) == 6


def test_the_next_deployment_brings_what_its_overlay_says(second):
    assert second.run("rollback.sh", "--yes").returncode == 0
    other_version(second)
    done = second.deployed()
    assert "as revision 3:" in done.stdout
    assert states(second) == {"1": "deployed", "2": "rolled-back", "3": "deployed"}
    assert all(" 7," in quotad["policy"] for quotad in second.load()["quotads"].values())


def test_a_damaged_revision_is_refused(second):
    state = second.load()
    state["objects"]["ConfigMap/quotagate-revision-1"]["binaryData"] = {"manifest.yaml.gz": "eA=="}
    second.save(state)
    done = second.run("rollback.sh", "--yes")
    assert done.returncode == 1
    assert "the ConfigMap quotagate-revision-1 is damaged" in done.stderr
    assert second.changes() == []


def test_without_revisions_it_says_so(cluster):
    done = cluster.run("rollback.sh", "--yes")
    assert done.returncode == 1
    assert "there are no revisions in namespace api-gateway" in done.stderr


def test_an_api_that_is_down_is_named(second):
    second.set(api_down=True)
    done = second.run("rollback.sh", "--yes")
    assert done.returncode == 1
    assert "the revisions cannot be listed: The connection to the server" in done.stderr


@pytest.mark.parametrize("words, complaint", [
    (["--to", "9", "--yes"], "there is no revision 9"),
    (["--to", "last", "--yes"], "--to wants the number of a revision"),
    (["--to"], "--to wants the number of a revision"),
    (["back"], "unknown option 'back'"),
    ([], "nobody is there to be asked; nothing was changed. Add --yes"),
])
def test_it_refuses_what_makes_no_sense(second, words, complaint):
    done = second.run("rollback.sh", *words)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert second.changes() == []


@pytest.mark.parametrize("answer, code", [("n", 1), ("yes", 0)])
def test_on_a_terminal_it_asks(second, answer, code):
    done = second.run_on_terminal("rollback.sh", answer=answer)
    assert done.returncode == code
    assert "Go back to revision 1 in namespace api-gateway of fake-context?" in done.stderr
    assert bool(second.changes()) == (code == 0)
