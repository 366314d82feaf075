"""emergency.sh backend v1 | v2 | both: where the traffic of two Services goes."""

import pytest

V1 = {"app": "api"}
V2 = {"app": "api-v2", "track": "new"}
V1_PORTS = [{"name": "http", "port": 80, "targetPort": 8080}]
V2_PORTS = [{"name": "http", "port": 80, "targetPort": 9090}]


def ready(yes=True):
    return {"phase": "Running", "conditions": [
        {"type": "Ready", "status": "True" if yes else "False"}]}


@pytest.fixture(name="two")
def fixture_two(running):
    """A gateway in front of two backends, with two pods each."""
    running.put("Service", "api", spec={"selector": V1, "ports": V1_PORTS})
    running.put("Service", "api-v2", spec={"selector": V2, "ports": V2_PORTS})
    for number in (1, 2):
        running.put("Pod", f"old-{number}", metadata={"labels": V1}, status=ready(),
                    spec={"containers": [{"name": "api"}]})
        running.put("Pod", f"new-{number}", metadata={"labels": V2}, status=ready(),
                    spec={"containers": [{"name": "api"}]})
    running.forget_calls()
    return running


def where(cluster):
    return {name: (spec["selector"], spec["ports"]) for name in ("api", "api-v2")
            for spec in [cluster.get("Service", name)["spec"]]}


ORIGINAL = {"api": (V1, V1_PORTS), "api-v2": (V2, V2_PORTS)}


@pytest.mark.parametrize("word, target", [("v1", (V1, V1_PORTS)), ("v2", (V2, V2_PORTS))])
def test_all_traffic_goes_to_one_backend_and_back(two, word, target):
    done = two.run("emergency.sh", "backend", word, "--yes")
    assert done.returncode == 0, done.stderr
    assert where(two) == {"api": target, "api-v2": target}
    assert f"All traffic goes to backend {word}" in done.stdout
    assert "It lasts until: scripts/emergency.sh --namespace api-gateway backend both" in done.stdout

    done = two.run("emergency.sh", "backend", "both", "--yes")
    assert done.returncode == 0, done.stderr
    assert where(two) == ORIGINAL
    assert all(not two.get("Service", name)["metadata"]["annotations"] for name in ORIGINAL)


def test_from_one_backend_to_the_other_and_again_the_way_back_is_known(two):
    for word in ("v2", "v1", "v1", "v2"):
        assert two.run("emergency.sh", "backend", word, "--yes").returncode == 0
    assert where(two) == {"api": (V2, V2_PORTS), "api-v2": (V2, V2_PORTS)}
    assert two.run("emergency.sh", "backend", "both", "--yes").returncode == 0
    assert where(two) == ORIGINAL


def test_gateways_leave_their_old_connections_once(two):
    assert two.run("emergency.sh", "backend", "v2", "--yes").returncode == 0
    assert sorted(two.load()["reloads"]) == two.gateways()
    assert all("-c kong -- sh" in call for call in two.changes() if " exec " in call)


def test_a_backend_without_ready_pods_gets_no_traffic(two):
    for number in (1, 2):
        two.put("Pod", f"new-{number}", metadata={"labels": V2}, status=ready(False),
                spec={"containers": [{"name": "api"}]})
    done = two.run("emergency.sh", "backend", "v2", "--yes")
    assert done.returncode == 1
    assert "no pod of Service api-v2 is ready, so its traffic would go nowhere" in done.stderr
    assert "get pods -l app=api-v2,track=new" in done.stderr
    assert two.changes() == []


def test_a_service_that_keeps_its_old_pods_is_noticed(two):
    two.set(stale_endpoints={"api": V1})
    done = two.run("emergency.sh", "backend", "v2", "--yes", "--timeout", "3")
    assert done.returncode == 1
    assert "Service api: not within the time limit of 3 s" in done.stderr
    assert "still points to old-1 old-2" in done.stderr
    assert two.load()["reloads"] == []
    two.heal()
    assert two.run("emergency.sh", "backend", "v2", "--yes").returncode == 0


def test_a_gateway_that_cannot_be_told_is_named(two):
    two.set(exec_fails={"1": 9999})
    done = two.run("emergency.sh", "backend", "v2", "--yes", "--timeout", "4")
    assert done.returncode == 1
    assert "-1 has not been told to connect anew: error: unable to upgrade" in done.stderr
    assert len(two.load()["reloads"]) == 2


def test_a_service_that_selects_no_pods_cannot_be_moved(two):
    two.put("Service", "api", spec={"type": "ExternalName", "externalName": "api.example"})
    done = two.run("emergency.sh", "backend", "v2", "--yes")
    assert done.returncode == 1
    assert "Service api selects no pods, so its traffic cannot be moved here." in done.stderr
    assert two.changes() == []


def test_a_service_that_is_not_there_is_named(two):
    two.remove("Service", "api-v2")
    done = two.run("emergency.sh", "backend", "v2", "--yes")
    assert done.returncode == 1
    assert 'Service api-v2: Error from server (NotFound)' in done.stderr
    assert two.changes() == []


def test_dry_run_changes_nothing(two):
    done = two.run("emergency.sh", "backend", "v2", "--dry-run")
    assert done.returncode == 0
    assert "Would point api to the pods of api-v2, api-v2 to those of api-v2." in done.stdout
    assert two.changes() == []
    assert where(two) == ORIGINAL


def test_it_asks(two):
    done = two.run("emergency.sh", "backend", "v2")
    assert done.returncode == 1
    assert "Add --yes" in done.stderr
    assert where(two) == ORIGINAL
