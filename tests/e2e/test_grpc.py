"""The contract between gateway and sidecar: Decide and Check of quota.v1."""

import struct
import threading

import grpc
import pytest
from quota.v1 import quota_pb2

from harness.quotad import SERVICE, Client, consumer, policy

HEALTH = {"method": "GET", "path": b"/health", "client_ip": b"\x7f\0\0\1"}
FREE = {"method": "GET", "path": b"/identify", "api_key": b"acme-key"}


@pytest.fixture(name="quotad")
def fixture_quotad(stack):
    return stack.quotad(policy([consumer("acme", "free"), consumer("big", "enterprise")]))


def test_a_verdict_says_who_what_and_how_much(quotad):
    verdict = quotad.check(id=7, **FREE)
    assert verdict.id == 7
    assert verdict.outcome == quota_pb2.ALLOWED
    assert (verdict.consumer, verdict.tier, verdict.endpoint) == (b"acme", "free", "/identify")
    assert (verdict.cost_milli, verdict.reason) == (1000, "ok")
    assert (verdict.minute.limit, verdict.minute.remaining, verdict.minute.window_s) == (100, 99, 60)
    assert (verdict.month.limit, verdict.month.remaining) == (50000, 49999)
    assert not verdict.shadow and not verdict.degraded


def test_a_denial_takes_nothing_and_says_when_to_come_back(quotad):
    def compare():
        return quotad.check(method="GET", path=b"/compare", api_key=b"acme-key", hits=49)

    assert compare().outcome == quota_pb2.ALLOWED
    denial = compare()
    assert (denial.outcome, denial.reason) == (quota_pb2.DENIED, "minute")
    # 98 are wanted and 2 are there; they come at 100 a minute.
    assert 50_000 < denial.retry_after_ms <= 58_000
    assert quotad.check(**FREE).month.remaining == 50_000 - 98 - 1


def test_a_peek_takes_nothing(quotad):
    for _ in range(5):
        assert quotad.check(peek=True, **FREE).outcome == quota_pb2.ALLOWED
    assert quotad.check(**FREE).month.remaining == 49_999


def test_an_unlimited_tier_has_no_limits_in_its_verdict(quotad):
    verdict = quotad.check(method="GET", path=b"/identify", api_key=b"big-key")
    assert verdict.tier == "enterprise"
    assert not verdict.HasField("minute") and not verdict.HasField("month")


def test_ids_are_echoed_as_they_are(quotad):
    ids = [0, 1, 127, 128, 2**32 - 1, 2**32, 2**63, 2**64 - 1]
    with quotad.client().decide() as stream:
        stream.send(*(quota_pb2.Check(id=number, **HEALTH) for number in ids))
        assert sorted(stream.receive_verdicts(len(ids))) == ids


def test_every_message_is_acknowledged_exactly_once(quotad):
    with quotad.client().decide() as stream:
        for batch in range(20):
            stream.send(quota_pb2.Check(id=batch, **FREE))
        stream.send()  # no checks at all
        responses = stream.finish()
    assert sum(response.ack for response in responses) == 21
    verdicts = [verdict.id for response in responses for verdict in response.verdicts]
    assert sorted(verdicts) == list(range(20))


def test_an_acknowledgement_brings_every_verdict_that_is_known(quotad):
    with quotad.client().decide() as stream:
        stream.send(*(quota_pb2.Check(id=number, **HEALTH) for number in range(100)))
        response = stream.receive()
    assert response.ack
    assert {verdict.id for verdict in response.verdicts} == set(range(100))


def test_verdicts_that_wait_for_the_store_follow_later(stack):
    # Each consumer's month has to be asked for once.
    names = [f"consumer-{number}" for number in range(200)]
    quotad = stack.quotad(policy([consumer(name) for name in names]))
    with quotad.client().decide() as stream:
        stream.send(*(quota_pb2.Check(id=number, method="GET", path=b"/identify",
                                      api_key=f"{name}-key".encode())
                      for number, name in enumerate(names)))
        verdicts = stream.receive_verdicts(200)
    assert {verdict.outcome for verdict in verdicts.values()} == {quota_pb2.ALLOWED}
    assert [verdicts[number].consumer.decode() for number in range(200)] == names


def test_ten_thousand_checks_in_one_message_are_all_decided(quotad):
    with quotad.client().decide() as stream:
        stream.send(*(quota_pb2.Check(id=number, **FREE) for number in range(10_000)))
        verdicts = stream.receive_verdicts(10_000)
    allowed = [v for v in verdicts.values() if v.outcome == quota_pb2.ALLOWED]
    denied = [v for v in verdicts.values() if v.outcome == quota_pb2.DENIED]
    assert len(allowed) + len(denied) == 10_000
    assert 100 <= len(allowed) <= 150


def test_many_streams_at_once_share_one_bucket(quotad):
    allowed = []

    def spend():
        client = Client(quotad.address)
        with client.decide() as stream:
            stream.send(*(quota_pb2.Check(id=number, **FREE) for number in range(50)))
            allowed.extend(verdict for verdict in stream.receive_verdicts(50).values()
                           if verdict.outcome == quota_pb2.ALLOWED)
        client.close()

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 100 <= len(allowed) <= 150


@pytest.mark.parametrize("message", [
    b"\xff\xff\xff\xff",                      # no tag
    b"\x0a\xff\xff\xff\xff\x0f",              # a length beyond the end
    b"\x0a\x05\x08",                          # cut off
    b"\x0a\x02\x12\xff",                      # a field inside that is cut off
    b"\x0b\x0b\x0b\x0b",                      # groups that never end
    b"\x08" + b"\x80" * 20,                   # a number without end
    b"\x0a" * 100_000,
], ids=["no tag", "long", "short", "inner", "groups", "varint", "many tags"])
def test_a_malformed_message_ends_at_most_its_own_stream(quotad, message):
    innocent = Client(quotad.address)
    with innocent.decide() as other:
        with quotad.client().decide() as stream:
            stream.send_bytes(message)
            try:
                stream.receive()
            except (grpc.RpcError, StopIteration):
                pass  # its stream may end, or go on without it
        other.send(quota_pb2.Check(id=5, **HEALTH))
        assert other.receive_verdicts(1)[5].outcome == quota_pb2.EXEMPT
    innocent.close()


def test_fields_from_the_future_are_skipped(quotad):
    unknown = b"\xf2\x3f\x03new" + b"\xf8\x3f\x2a"  # field 1022 with bytes, 1023 with a number
    check = quota_pb2.Check(id=3, **HEALTH).SerializeToString() + unknown
    message = b"\x0a" + bytes([len(check)]) + check + unknown
    with quotad.client().decide() as stream:
        stream.send_bytes(message)
        assert stream.receive_verdicts(1)[3].outcome == quota_pb2.EXEMPT


def test_a_message_beyond_all_measure_ends_at_most_its_own_stream(quotad):
    with quotad.client().decide() as stream:
        stream.send_bytes(b"\x0a" + struct.pack("<B", 0) + b"\0" * 50_000_000)
        try:
            stream.receive()
        except (grpc.RpcError, StopIteration):
            pass
    assert quotad.check(**HEALTH).outcome == quota_pb2.EXEMPT


def test_a_method_that_does_not_exist_is_unimplemented(quotad):
    with pytest.raises(grpc.RpcError) as error:
        quotad.client().call(SERVICE + "Destroy", b"")
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_malformed_check_request_is_an_error_of_the_caller(quotad):
    with pytest.raises(grpc.RpcError) as error:
        quotad.client().call(SERVICE + "Check", b"\x0a\xff\xff\xff")
    assert error.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)


def test_an_empty_check_is_decided(quotad):
    assert quotad.check().tier == "anonymous"


def test_a_client_that_cancels_in_the_middle_harms_nobody(quotad):
    for _ in range(30):
        client = Client(quotad.address)
        with client.decide() as stream:
            stream.send(*(quota_pb2.Check(id=number, **FREE) for number in range(1000)))
        client.close()
    assert quotad.check(**HEALTH).outcome == quota_pb2.EXEMPT


def test_a_stream_ends_well_when_its_client_is_done(quotad):
    with quotad.client().decide() as stream:
        stream.send(quota_pb2.Check(id=1, **HEALTH))
        assert [response.ack for response in stream.finish()] == [True]
