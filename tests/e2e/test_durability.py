"""What outlives the process: months, consumers, and after a clean stop the minute as well."""

import math
import sqlite3
import threading
import time

import grpc
import pytest
from quota.v1 import quota_pb2

from harness.quotad import Client, consumer, policy

QUOTA = 2000
CHECK = {"method": "GET", "path": b"/identify", "api_key": b"acme-key"}


def small_month():
    return policy([consumer("acme", "small")], default_tier="small", tiers={
        "small": {"requests_per_minute": 1_000_000, "monthly_quota": QUOTA}})


def spend(quotad, count, batch=20):
    """How many of `count` checks are allowed. All their verdicts have come when it returns."""
    allowed = 0
    client = Client(quotad.address)
    with client.decide() as stream:
        for first in range(0, count, batch):
            stream.send(*(quota_pb2.Check(id=number, **CHECK)
                          for number in range(first, min(first + batch, count))))
            verdicts = stream.receive_verdicts(min(batch, count - first)).values()
            assert not any(verdict.degraded for verdict in verdicts)
            allowed += sum(verdict.outcome == quota_pb2.ALLOWED for verdict in verdicts)
    client.close()
    return allowed


def remaining(quotad):
    return quotad.check(peek=True, **CHECK).month.remaining


@pytest.fixture(name="quotad")
def fixture_quotad(stack):
    return stack.quotad(small_month())


def test_a_month_is_spent_to_the_last_unit_and_not_beyond(quotad):
    assert spend(quotad, QUOTA + 500) == QUOTA


@pytest.mark.parametrize("spent", [1, 100, 999, 1900])
def test_a_crash_costs_at_most_a_sixteenth_of_what_remained(quotad, spent):
    assert spend(quotad, spent) == spent
    quotad.kill()
    quotad.start()
    left = remaining(quotad)
    assert left <= QUOTA - spent
    # At the grant that was lost a little more may have remained than at the crash, and the cost of
    # the check that asked comes on top: hence a fifteenth, and one.
    assert (QUOTA - spent) - left <= math.ceil((QUOTA - spent) / 15) + 1


def test_a_month_is_never_exceeded_by_crashing_again_and_again(quotad):
    allowed = 0
    for turn in range(12):
        allowed += spend(quotad, 60 + 37 * turn)
        quotad.kill()
        quotad.start()
    allowed += spend(quotad, QUOTA)
    assert allowed <= QUOTA
    assert allowed >= QUOTA // 3  # twelve crashes may cost a lot, but not everything


def test_a_month_is_never_exceeded_by_a_crash_in_the_middle_of_load(quotad):
    total = 0
    for _ in range(5):
        allowed = []

        def load(counted=allowed):
            client = Client(quotad.address)
            with client.decide() as stream:
                try:
                    for turn in range(1000):
                        stream.send(*(quota_pb2.Check(id=turn * 7 + number, **CHECK)
                                      for number in range(7)))
                        for verdict in stream.receive_verdicts(7).values():
                            if verdict.outcome == quota_pb2.ALLOWED:
                                counted.append(1)
                except (grpc.RpcError, StopIteration):
                    pass  # the crash
            client.close()

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(allowed) < 150 and any(thread.is_alive() for thread in threads):
            threads[0].join(0.001)
        quotad.kill()
        for thread in threads:
            thread.join()
        total += len(allowed)
        quotad.start()
    total += spend(quotad, QUOTA)
    assert total <= QUOTA


def test_a_clean_stop_keeps_the_month_exactly(quotad):
    spend(quotad, 777)
    quotad.stop()
    quotad.start()
    assert remaining(quotad) == QUOTA - 777


def test_a_clean_stop_keeps_the_minute_as_well(stack):
    quotad = stack.quotad(policy([consumer("acme", "free")]))
    assert spend(quotad, 80) == 80
    before = time.monotonic()
    quotad.stop()
    quotad.start()
    left = quotad.check(peek=True, **CHECK).minute.remaining
    refilled = math.ceil((time.monotonic() - before + 1) * 100 / 60)
    assert 20 <= left <= 20 + refilled


def put_mode_row(quotad, word):
    with sqlite3.connect(quotad.store_path) as database:
        database.execute("INSERT OR REPLACE INTO mode(one, word, since_unix_ms) VALUES(1, ?, 0)",
                         [word])
    database.close()


def test_a_start_that_fails_on_a_broken_mode_keeps_the_minute(stack):
    quotad = stack.quotad(policy([consumer("acme", "free")]))
    assert spend(quotad, 80) == 80
    before = time.monotonic()
    quotad.stop()
    put_mode_row(quotad, "nonsense")
    code, said = quotad.run_to_the_end()
    assert code > 0 and "names no mode" in said, said
    put_mode_row(quotad, "policy")
    quotad.start()
    left = quotad.check(peek=True, **CHECK).minute.remaining
    refilled = math.ceil((time.monotonic() - before + 1) * 100 / 60)
    assert 20 <= left <= 20 + refilled


def test_a_crash_gives_nobody_more_than_a_fresh_minute(stack):
    quotad = stack.quotad(policy([consumer("acme", "free")]))
    assert spend(quotad, 80) == 80
    quotad.kill()
    quotad.start()
    assert quotad.check(peek=True, **CHECK).minute.remaining <= 100


def test_a_managed_consumer_survives_a_crash(quotad):
    status, _, body = quotad.ask("PUT", "/v1/consumers/late", {
        "tier": "small",
        # The SHA-256 of "late-key".
        "add_key_sha256": [consumer("late")["api_keys_sha256"][0]]})
    assert status == 201, body
    quotad.kill()
    quotad.start()
    verdict = quotad.check(method="GET", path=b"/identify", api_key=b"late-key")
    assert (verdict.consumer, verdict.tier) == (b"late", "small")


def test_a_removed_consumer_stays_removed_after_a_crash(quotad):
    digest = consumer("late")["api_keys_sha256"][0]
    assert quotad.ask("PUT", "/v1/consumers/late", {"add_key_sha256": [digest]})[0] == 201
    assert quotad.ask("DELETE", "/v1/consumers/late")[0] == 204
    quotad.kill()
    quotad.start()
    verdict = quotad.check(method="GET", path=b"/identify", api_key=b"late-key")
    assert verdict.tier == "anonymous"


# -- files that are not to be trusted


def assert_refused(quotad):
    code, said = quotad.run_to_the_end()
    assert code > 0, said
    assert str(quotad.store_path) in said, said


def test_a_file_that_is_no_database_is_refused_and_left_alone(stack):
    quotad = stack.quotad(start=False)
    quotad.store_path.write_bytes(b"precious notes\n" * 1000)
    assert_refused(quotad)
    assert quotad.store_path.read_bytes() == b"precious notes\n" * 1000


def test_the_database_of_another_program_is_refused_and_left_alone(stack):
    quotad = stack.quotad(start=False)
    with sqlite3.connect(quotad.store_path) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
        database.execute("INSERT INTO recipes VALUES ('soup')")
    database.close()
    before = quotad.store_path.read_bytes()
    assert_refused(quotad)
    assert quotad.store_path.read_bytes() == before


def test_a_store_that_is_damaged_is_refused(quotad):
    spend(quotad, 500)
    quotad.stop()
    size = quotad.store_path.stat().st_size
    with open(quotad.store_path, "r+b") as file:
        file.seek(100)
        file.write(b"\xde\xad\xbe\xef" * ((size - 100) // 4))
    assert_refused(quotad)


def test_a_store_in_a_directory_that_does_not_exist_is_refused(stack):
    missing = stack.workdir / "missing"
    code, said = stack.quotad(start=False, store=f"local://{missing}/state.db").run_to_the_end()
    assert code > 0, said
    assert str(missing) in said
