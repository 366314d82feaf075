"""emergency.sh shadow | off | enforce | policy, in a cluster that is a fake."""

import pytest


@pytest.fixture(name="embedded")
def fixture_embedded(running):
    """Each quotad has a store of its own, and so a mode of its own."""
    state = running.load()
    state["embedded"] = True
    running.save(state)
    return running


@pytest.mark.parametrize("mode", ["shadow", "off", "enforce"])
@pytest.mark.parametrize("store", ["redis", "embedded"])
def test_every_pod_follows(running, store, mode):
    state = running.load()
    state["embedded"] = store == "embedded"
    running.save(state)
    done = running.run("emergency.sh", mode, "--yes")
    assert done.returncode == 0, done.stderr
    assert set(running.modes().values()) == {mode}
    for pod in running.gateways():
        assert f"  {pod}: {mode}\n" in done.stdout
    assert "All 3 pods follow" in done.stdout
    assert "It lasts until: scripts/emergency.sh --namespace api-gateway policy" in done.stdout


@pytest.mark.parametrize("store", ["redis", "embedded"])
def test_policy_ends_it(running, store):
    state = running.load()
    state["embedded"] = store == "embedded"
    running.save(state)
    assert running.run("emergency.sh", "off", "--yes").returncode == 0
    done = running.run("emergency.sh", "policy", "--yes")
    assert done.returncode == 0, done.stderr
    assert set(running.modes().values()) == {"policy"}
    assert "It lasts until" not in done.stdout


def test_a_pod_that_does_not_follow_is_named_and_the_others_follow(embedded):
    embedded.set(exec_fails={"1": 9999})
    done = embedded.run("emergency.sh", "shadow", "--yes", "--timeout", "3")
    assert done.returncode == 1
    deaf = [pod for pod in embedded.gateways() if pod.endswith("-1")][0]
    assert f"{deaf}: NOT shadow; Running; error: unable to upgrade connection" in done.stderr
    assert "1 of 3 pods did not follow." in done.stderr
    assert f"kubectl --namespace api-gateway delete pod {deaf}" in done.stderr
    modes = embedded.modes()
    assert modes.pop(deaf) == "policy"
    assert set(modes.values()) == {"shadow"}

    embedded.heal()
    assert embedded.run("emergency.sh", "shadow", "--yes").returncode == 0
    assert set(embedded.modes().values()) == {"shadow"}


def test_a_pod_that_answers_later_is_told_later(embedded):
    embedded.set(exec_fails={"2": 2})
    done = embedded.run("emergency.sh", "off", "--yes", "--timeout", "20")
    assert done.returncode == 0, done.stderr
    assert "2 of 3 pods follow" in done.stdout
    assert set(embedded.modes().values()) == {"off"}


def test_while_the_store_is_away_each_pod_does_it_for_itself(running):
    running.set(store_down=True)
    done = running.run("emergency.sh", "off", "--yes")
    assert done.returncode == 0, done.stderr
    assert set(running.modes().values()) == {"off"}
    assert done.stdout.count("off (this pod only, until it restarts)") == 3


def test_a_refused_token_is_named(running):
    running.set(token_refused=True)
    done = running.run("emergency.sh", "off", "--yes", "--timeout", "2")
    assert done.returncode == 1
    assert done.stderr.count("NOT off; Running; it says enforce, quotactl: the Authorization") == 3
    assert "3 of 3 pods did not follow." in done.stderr


def test_a_pod_that_is_being_stopped_is_told_and_not_waited_for(embedded):
    state = embedded.load()
    leaving = sorted(state["quotads"])[0]
    state["objects"][f"Pod/{leaving}"]["metadata"]["deletionTimestamp"] = "2026-11-27T12:00:00Z"
    embedded.save(state)
    done = embedded.run("emergency.sh", "off", "--yes")
    assert done.returncode == 0, done.stderr
    assert "All 2 pods follow" in done.stdout
    assert embedded.modes()[leaving] == "off"


def test_it_finds_the_pods_of_any_gateway(running):
    running.put("Pod", "envoy-7", spec={"containers": [{"name": "envoy"}, {"name": "quotad"}]},
                status={"phase": "Running"})
    state = running.load()
    state["quotads"]["envoy-7"] = {"mode": None, "policy": None}
    running.save(state)
    done = running.run("emergency.sh", "shadow", "--yes")
    assert done.returncode == 0, done.stderr
    assert "  envoy-7: shadow\n" in done.stdout


def test_dry_run_says_how_things_are_and_changes_nothing(running):
    assert running.run("emergency.sh", "shadow", "--yes").returncode == 0
    running.forget_calls()
    done = running.run("emergency.sh", "off", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.count(": shadow, by override\n") == 3
    assert "Nothing was changed." in done.stdout
    assert running.changes() == []
    assert set(running.modes().values()) == {"shadow"}


def test_without_pods_it_says_so(cluster):
    done = cluster.run("emergency.sh", "off", "--yes", "--namespace", "elsewhere")
    assert done.returncode == 1
    assert "no pod in namespace elsewhere has a container quotad" in done.stderr


def test_an_api_that_is_down_is_named(running):
    running.set(api_down=True)
    done = running.run("emergency.sh", "off", "--yes")
    assert done.returncode == 1
    assert "the pods cannot be listed: The connection to the server" in done.stderr


def test_a_call_that_hangs_does_not_hold_it_up(running):
    running.set(hang=["exec"])
    done = running.run("emergency.sh", "off", "--yes", "--timeout", "2")
    assert done.returncode == 1
    assert "no answer within the time limit" in done.stderr


@pytest.mark.parametrize("words, complaint", [
    ([], "say what to do: shadow, off, enforce, policy or backend"),
    (["panic"], "'panic' is none of shadow, off, enforce, policy and backend"),
    (["off", "now"], "'off' takes nothing after it"),
    (["backend"], "'backend' wants v1, v2 or both"),
    (["backend", "v3"], "'backend' wants v1, v2 or both"),
    (["off", "--quickly"], "unknown option '--quickly'"),
    (["off"], "nobody is there to be asked; nothing was changed. Add --yes"),
])
def test_it_refuses_what_makes_no_sense(running, words, complaint):
    done = running.run("emergency.sh", *words)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert running.changes() == []


@pytest.mark.parametrize("answer, mode", [("no", "policy"), ("y", "off")])
def test_on_a_terminal_it_asks(running, answer, mode):
    done = running.run_on_terminal("emergency.sh", "off", answer=answer)
    assert "Set the mode of all of them to 'off'?" in done.stderr
    assert (done.returncode == 0) == (answer == "y")
    assert set(running.modes().values()) == {mode}
