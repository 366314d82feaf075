"""How quotad starts, whom it lets in, and how it stops."""

import contextlib
import grp
import os
import signal
import socket
import stat
import threading

import grpc
import pytest
from quota.v1 import quota_pb2

from harness.client import ask
from harness.nginx import CHECKED
from harness.ports import ADDRESS, free_port
from harness.process import wait_until
from harness.quotad import Client, consumer, policy

IDENTIFY = {"method": "GET", "path": b"/identify", "client_ip": b"\x7f\0\0\1"}


def assert_refused(quotad, *words):
    """Fails to start, and says why in words."""
    code, said = quotad.run_to_the_end()
    assert code not in (0, None) and code > 0, said
    assert [word for word in words if word not in said] == [], said


# -- the socket


def test_a_stale_socket_is_taken_over(stack):
    first = stack.quotad()
    first.kill()
    assert first.socket_path.is_socket()
    first.start()
    assert first.check(**IDENTIFY).outcome == quota_pb2.ALLOWED


def test_a_second_quotad_on_the_same_socket_is_refused(stack):
    first = stack.quotad()
    second = stack.quotad(start=False, listen=first.address)
    assert_refused(second, str(first.socket_path))
    assert first.check(**IDENTIFY).outcome == quota_pb2.ALLOWED


def test_a_second_quotad_on_the_same_store_is_refused(stack):
    first = stack.quotad()
    second = stack.quotad(start=False, store=first.store)
    assert_refused(second, str(first.store_path))
    assert first.check(**IDENTIFY).outcome == quota_pb2.ALLOWED


def test_a_socket_that_somebody_else_listens_on_is_not_taken(stack):
    path = stack.workdir / "somebody.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        inode = path.stat().st_ino
        assert_refused(stack.quotad(start=False, listen=f"unix:{path}"), str(path))
        assert path.stat().st_ino == inode


def test_a_file_that_is_no_socket_is_not_removed(stack):
    path = stack.workdir / "precious.txt"
    path.write_text("precious")
    assert_refused(stack.quotad(start=False, listen=f"unix:{path}"), str(path))
    assert path.read_text() == "precious"


@pytest.mark.parametrize("flags, mode", [([], 0o660), (["--socket-mode", "0600"], 0o600)])
def test_the_socket_has_the_mode_that_was_asked_for(stack, flags, mode):
    quotad = stack.quotad(flags=flags)
    assert stat.S_IMODE(quotad.socket_path.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_socket_belongs_to_the_group_that_was_asked_for(stack):
    quotad = stack.quotad(flags=["--socket-group", "www-data"])
    assert quotad.socket_path.stat().st_gid == grp.getgrnam("www-data").gr_gid


def test_a_group_that_does_not_exist_is_refused(stack):
    assert_refused(stack.quotad(start=False, flags=["--socket-group", "no-such-group"]),
                   "no-such-group")


def test_a_clean_stop_leaves_no_socket_that_others_would_connect_to(stack):
    quotad = stack.quotad()
    quotad.stop()
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(OSError):
        client.connect(str(quotad.socket_path))


# -- TCP


def test_tcp_on_loopback_works_for_a_gateway(stack):
    quotad = stack.quotad(listen=f"{ADDRESS}:{free_port()}")
    nginx = stack.nginx(
        f"location / {{ {CHECKED} add_header X-Outcome $quota_outcome always; }}", sidecar=quotad)
    assert ask(nginx, "/identify").headers["X-Outcome"] == "allowed"


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]", "192.0.2.1"])
def test_tcp_beyond_loopback_is_refused_without_tls(stack, address):
    assert_refused(stack.quotad(start=False, listen=f"{address}:{free_port()}"), "listen", "tls")


def test_an_admin_address_beyond_loopback_is_refused_without_a_token(stack):
    quotad = stack.quotad(start=False, token=None)
    quotad.admin = f"http://0.0.0.0:{free_port()}"
    assert_refused(quotad, "admin_listen", "token")


def test_a_port_that_is_taken_is_refused(stack):
    first = stack.quotad(listen=f"{ADDRESS}:{free_port()}")
    assert_refused(stack.quotad(start=False, listen=first.address), first.address)


def test_an_admin_port_that_is_taken_is_refused(stack):
    first = stack.quotad()
    second = stack.quotad(start=False)
    second.admin = first.admin
    assert_refused(second, first.admin_address)


# -- settings


def test_an_unknown_flag_is_refused(stack):
    assert_refused(stack.quotad(start=False, flags=["--no-such-flag"]), "no-such-flag")


def test_a_policy_that_is_wrong_is_refused_at_the_start(stack):
    quotad = stack.quotad("version: 1\ntiers: {free: {requests_per_minute: -1}}\n", start=False)
    assert_refused(quotad, f"{quotad.policy_path}:2:")


def test_check_validates_and_starts_nothing(stack):
    quotad = stack.quotad(start=False, flags=["--check"])
    code, said = quotad.run_to_the_end()
    assert code == 0, said
    assert not quotad.socket_path.exists()


def test_check_finds_what_is_wrong(stack):
    assert_refused(stack.quotad("version: 7\n", start=False, flags=["--check"]), "version")


# -- gRPC


def test_health_checking_says_serving(stack):
    client = stack.quotad().client()
    for service in (b"", b"\x0a\x15quota.v1.QuotaService"):
        assert client.call("/grpc.health.v1.Health/Check", service) == b"\x08\x01"


def test_reflection_lists_the_service(stack):
    client = stack.quotad().client()
    (answer,) = client.stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                              [b"\x3a\x01*"])
    assert b"quota.v1.QuotaService" in answer


# -- the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_quotad_cleanly_with_a_stream_open(stack, number):
    quotad = stack.quotad(flags=["--drain-timeout-ms", "200"])
    with quotad.client().decide() as stream:
        stream.send(quota_pb2.Check(id=1, **IDENTIFY))
        stream.receive_verdicts(1)
        assert quotad.process.stop(number) == 0


def test_checks_that_were_sent_before_the_signal_are_answered(stack):
    quotad = stack.quotad(policy(anonymous={"requests_per_minute": 100_000}))
    with quotad.client().decide() as stream:
        stream.send(quota_pb2.Check(id=0, **IDENTIFY))
        stream.receive_verdicts(1)
        stream.send(*(quota_pb2.Check(id=number, **IDENTIFY) for number in range(1, 5001)))
        quotad.terminate()
        assert len(stream.receive_verdicts(5000)) == 5000
        remaining = stream.finish()
    assert not [verdict for response in remaining for verdict in response.verdicts]
    assert quotad.process.wait() == 0


def test_a_gateway_that_is_connected_lets_quotad_go_at_once(stack):
    quotad = stack.quotad(flags=["--drain-timeout-ms", "60000"])
    nginx = stack.nginx(f"location / {{ {CHECKED} }}", sidecar=quotad)
    assert ask(nginx, "/identify").status == 200
    quotad.terminate()
    assert quotad.process.wait() == 0  # long before the drain timeout


def test_a_stream_that_stays_is_cut_off_when_the_time_is_up(stack):
    quotad = stack.quotad(flags=["--drain-timeout-ms", "300"])
    with quotad.client().decide() as stream:
        stream.send(quota_pb2.Check(id=1, **IDENTIFY))
        stream.receive_verdicts(1)
        quotad.terminate()
        with pytest.raises(grpc.RpcError):
            while True:
                stream.receive()
        assert quotad.process.wait() == 0


def test_readiness_ends_before_the_service_does(stack):
    quotad = stack.quotad(flags=["--drain-timeout-ms", "30000"])
    with quotad.client().decide() as stream:
        stream.send(quota_pb2.Check(id=1, **IDENTIFY))
        stream.receive_verdicts(1)
        assert quotad.get("/readyz")[0] == 200
        quotad.terminate()
        wait_until(lambda: quotad.get("/readyz")[0] in (503, 0), "quotad says that it is leaving")
        assert quotad.process.is_running()
        stream.finish()
    assert quotad.process.wait() == 0


def test_no_verdict_is_lost_when_quotad_is_told_to_stop_under_load(stack):
    quotad = stack.quotad(policy([consumer("acme", "pro")]))
    unanswered = []

    def load():
        client = Client(quotad.address)
        with client.decide() as stream:
            try:
                for batch in range(10_000):
                    stream.send(quota_pb2.Check(id=batch, method="GET", path=b"/health"))
                    unanswered.append(batch)
                    stream.receive_verdicts(1)
                    unanswered.remove(batch)
            except (grpc.RpcError, StopIteration):
                pass  # the end of the stream

    thread = threading.Thread(target=load)
    thread.start()
    wait_until(lambda: quotad.metrics().sum("quota_decisions_total") > 200, "the load runs")
    quotad.terminate()
    assert quotad.process.wait() == 0
    thread.join()
    # Whatever quotad had read it answered; one may have been on its way when the stream ended.
    assert len(unanswered) <= 1


def test_a_stop_at_the_moment_when_clients_leave_is_clean(stack):
    quotad = stack.quotad()
    for _ in range(10):
        client = quotad.client()
        with contextlib.ExitStack() as streams:
            for _ in range(50):
                stream = streams.enter_context(client.decide())
                stream.send(quota_pb2.Check(id=1, **IDENTIFY))
                stream.receive_verdicts(1)
            client.close()
            quotad.stop()  # fails unless quotad ends with 0
        quotad.start()
