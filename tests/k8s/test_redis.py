"""The nodes of redis.yaml find their roles, on the first day and on bad ones: the shipped
scripts with a real Redis, whose names resolve as those of pods do."""

import os
import re
import subprocess
import urllib.request

import pytest
from harness.process import Process, wait_until

from manifests.redis_house import PASSWORD, House, can_have_names

pytestmark = pytest.mark.skipif(not can_have_names(), reason="needs mount namespaces (root)")


@pytest.fixture(name="house")
def fixture_house(worlds, tmp_path):
    house = House(worlds["api-gateway"], tmp_path)
    yield house
    house.close()


def others(house, node):
    return [one.number for one in house.nodes if one is not node]


def test_on_the_first_day_the_first_is_the_primary(house):
    primary = house.start().settle()
    assert primary.number == 0
    # Known by its name, which outlives its address.
    assert {node.primary_by_sentinel() for node in house.nodes} == {"quota-redis-0.quota-redis"}
    for node in house.nodes:
        assert node.probe("redis", "livenessProbe") and node.probe("sentinel", "livenessProbe")
        for name, value in (("maxmemory-policy", "noeviction"), ("appendonly", "yes"),
                            ("maxmemory", str(512 * 1024 * 1024)), ("min-replicas-to-write", "1")):
            assert node.ask("config", "get", name).splitlines()[1] == value
    assert "Connection" not in primary.ask("ping") and primary.ask("ping") == "PONG"


def test_nobody_gets_in_without_the_password(house):
    house.start().settle()
    for node in house.nodes:
        for port in (6379, 26379):
            assert "NOAUTH" in node.ask("ping", port=port, password="")
            assert PASSWORD not in node.log("redis") + node.log("sentinel")
            for process in node.processes.values():
                with open(f"/proc/{process.pid}/cmdline", encoding="utf-8") as file:
                    assert PASSWORD not in file.read()


def test_one_alone_waits_and_two_are_enough(house):
    lonely = house.start(1).nodes[1]
    wait_until(lambda: "waiting for 2 Sentinels" in lonely.log("redis"), "it waits")
    wait_until(lonely.primary_by_sentinel, "its Sentinel answers")
    assert lonely.role() == "" and not lonely.is_ready()
    house.nodes[0].start()
    assert house.settle(0, 1).number == 0


def test_a_lost_primary_is_replaced_and_comes_back_as_a_replica(house):
    old = house.start().settle()
    assert old.ask("set", "kept", "1") == "OK"
    # What no replica has heard of is lost with its primary.
    assert old.ask("wait", "2", "10000") == "2"
    old.kill()
    new = house.settle(*others(house, old))
    assert new is not old and new.ask("get", "kept") == "1"
    old.start()
    assert house.settle() is new
    assert f"the Sentinels say that {new.name} is the primary" in old.log("redis")


def test_a_primary_that_is_stopped_hands_over_first(house):
    old = house.start().settle()
    before = {number: len(house.nodes[number].log("sentinel")) for number in others(house, old)}
    assert old.stop() == 0
    assert house.settle(*others(house, old)) is not old
    # Not because somebody missed it.
    for number, length in before.items():
        until_the_switch = house.nodes[number].log("sentinel")[length:].split("+switch-master")[0]
        assert "+sdown master" not in until_the_switch
    old.start()
    house.settle()


def test_a_rolling_update_keeps_the_data(house):
    primary = house.start().settle()
    assert primary.ask("set", "kept", "1") == "OK"
    for node in reversed(house.nodes):
        node.stop()
        house.settle(*others(house, node))
        node.start()
        primary = house.settle()
        assert primary.ask("get", "kept") == "1"


def test_after_a_full_restart_the_last_primary_is_the_primary(house):
    """Also when one was away at the failover and still takes itself for the primary."""
    stale = house.start().settle()
    stale.kill()
    last = house.settle(*others(house, stale))
    assert last.ask("set", "kept", "new") == "OK"
    for number in others(house, stale):
        house.nodes[number].kill()
    house.start()
    assert house.settle() is last
    assert last.ask("get", "kept") == "new" and stale.ask("get", "kept") == "new"
    # It never even tried.
    assert f"the Sentinels say that {last.name} is the primary" in stale.log("redis")


def restart_without_the_last_primary(house):
    """A full restart in which the last primary stays away, and one node knows of an older one
    only."""
    stale = house.start().settle()
    stale.kill()
    last = house.settle(*others(house, stale))
    third = next(node for node in house.nodes if node not in (stale, last))
    last.kill()
    third.kill()
    house.start(stale.number, third.number)
    for node in (stale, third):
        wait_until(lambda node=node: node.role() == "slave", "it is a replica")
        assert f"the Sentinels say that {last.name} is the primary" in node.log("redis")
    return stale, last, third


def test_after_a_full_restart_without_the_last_primary_nobody_else_is_one(house):
    """The Sentinel that was away cannot follow to a name that does not resolve. So there is none,
    rather than one that lacks what was written last, until the node is back."""
    _, last, _ = restart_without_the_last_primary(house)
    assert not house.primaries()
    last.start()
    house.settle()


def test_a_sentinel_that_forgets_what_it_knew_ends_that(house):
    """The way out that redis.yaml names, where the node never comes back."""
    stale, _, third = restart_without_the_last_primary(house)
    stale.kill()
    (stale.data / "sentinel" / "sentinel.conf").unlink()
    stale.start()
    wait_until(lambda: house.primaries() in ([stale], [third]), "one of them takes over", 40)


def test_a_lost_volume_is_filled_again(house):
    primary = house.start().settle()
    assert primary.ask("set", "kept", "1") == "OK"
    assert primary.ask("wait", "2", "10000") == "2"
    primary.kill()
    new = house.settle(*others(house, primary))
    subprocess.run(["rm", "-rf", primary.data], check=True)
    primary.start()
    # Its new Sentinel asks the others instead of beginning with the first node.
    assert house.settle() is new
    assert f"takes {new.name} for the primary" in primary.log("sentinel")
    assert primary.ask("get", "kept") == "1"


def test_a_new_password_is_taken_up_with_a_restart(house):
    primary = house.start().settle()
    assert primary.ask("set", "kept", "1") == "OK"
    for node in house.nodes:
        node.kill()
    house.password_file.write_text("another-password-of-redis")
    house.start()
    wait_until(lambda: [node for node in house.nodes if node.address
                        and "role:master" in node.ask("info", "replication",
                                                      password="another-password-of-redis")],
               "there is a primary", 40)
    assert house.nodes[0].ask("ping") != "PONG"  # with the old one
    wait_until(lambda: all(node.is_ready() for node in house.nodes), "all are ready", 40)


def test_quotad_finds_it_and_follows_with_the_shipped_settings(house, worlds, tmp_path):
    old = house.start().settle()
    env = {name: value for name, value in worlds["api-gateway"].pod("kong").env("quotad").items()
           if name in ("QUOTAD_STORE", "QUOTAD_THREADS", "QUOTAD_DRAIN_TIMEOUT_MS")}
    assert "quota-redis-0.quota-redis:26379" in env["QUOTAD_STORE"]
    address = old.address.rsplit(".", 1)[0] + ".250"
    env |= {"QUOTAD_LISTEN": f"unix:{tmp_path}/q.sock", "QUOTAD_ADMIN_LISTEN": f"{address}:9180",
            "QUOTAD_STORE_PASSWORD_FILE": str(house.password_file),
            "QUOTAD_STORE_JOURNAL": str(tmp_path / "journal.db"),
            "QUOTAD_ADMIN_TOKEN": "0123456789abcdef0123456789abcdef"}

    quotad = Process("quotad", house.in_names([f"{os.environ['QUOTA_BUILD_DIR']}/quotad"]),
                     tmp_path / "quotad.log.txt", env)
    try:
        wait_until(lambda: metric(address, "quota_store_up") == 1, "it has found Redis")
        old.kill()
        wait_until(lambda: metric(address, "quota_store_up") == 0, "it has lost it")
        house.settle(*others(house, old))
        wait_until(lambda: metric(address, "quota_store_up") == 1, "it has followed", 40)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{quotad.log()}") from None
    finally:
        quotad.kill()


def metric(address, name):

    try:
        with urllib.request.urlopen(f"http://{address}:9180/metrics", timeout=5) as answer:
            found = re.search(rf"^{name} (\d+)", answer.read().decode(), re.MULTILINE)
            return found and int(found[1])
    except OSError:
        return None
