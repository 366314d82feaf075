"""nginx reloads and stops without losing a request, whatever its checks are doing."""

import signal

from fake_sidecar import allow, hold, ignore
from harness.client import Later, ask, at_once
from harness.nginx import CHECKED
from harness.process import wait_until
from harness.quotad import Background

SERVER = f"location / {{ {CHECKED} add_header X-Outcome $quota_outcome always; }}"


def test_checks_in_flight_are_answered_after_a_reload(stack):
    fake = stack.fake_sidecar(behaviour=hold)
    nginx = stack.nginx(SERVER, sidecar=fake)
    waiting = [Later(nginx) for _ in range(20)]
    fake.wait_for_checks(20)
    nginx.reload()
    fake.release()
    assert [later.answer().headers["X-Outcome"] for later in waiting] == ["allowed"] * 20


def test_new_workers_answer_while_the_old_ones_still_wait(stack):
    fake = stack.fake_sidecar(behaviour=hold)
    nginx = stack.nginx(SERVER, sidecar=fake)
    waiting = Later(nginx)
    fake.wait_for_checks(1)
    nginx.reload()
    fake.behaviour = allow
    assert ask(nginx).headers["X-Outcome"] == "allowed"
    assert not waiting.is_done
    fake.release()
    assert waiting.answer().headers["X-Outcome"] == "allowed"


def test_checks_in_flight_are_answered_before_a_graceful_stop(stack):
    fake = stack.fake_sidecar(behaviour=hold)
    nginx = stack.nginx(SERVER, sidecar=fake)
    waiting = [Later(nginx) for _ in range(20)]
    fake.wait_for_checks(20)
    nginx.quit()
    wait_until(lambda: "gracefully shutting down" in nginx.error_log(), "the worker is told")
    fake.release()
    assert [later.answer().headers["X-Outcome"] for later in waiting] == ["allowed"] * 20
    assert nginx.process.wait() == 0


def test_a_graceful_stop_waits_no_longer_than_quota_timeout_for_a_hung_sidecar(stack):
    fake = stack.fake_sidecar(behaviour=ignore)
    nginx = stack.nginx(SERVER, sidecar=fake, quota="quota_timeout 2s;")
    waiting = [Later(nginx) for _ in range(5)]
    # Only the first batch reaches a sidecar that acknowledges nothing.
    wait_until(lambda: nginx.requests_in_progress() == 5, "five requests wait")
    nginx.quit()
    assert [later.answer().headers["X-Outcome"] for later in waiting] == ["error_allowed"] * 5
    assert nginx.process.wait() == 0


def test_an_idle_worker_stops_at_once_although_it_is_connected(stack):
    nginx = stack.nginx(SERVER, sidecar=stack.fake_sidecar())
    ask(nginx)
    # A worker that thought its connection busy would stay until worker_shutdown_timeout: a minute.
    assert nginx.process.stop(signal.SIGQUIT) == 0


def test_an_idle_worker_stops_at_once_although_the_sidecar_is_away(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(SERVER, sidecar=fake)
    ask(nginx)
    fake.stop()
    ask(nginx)  # the worker now tries to connect again and again
    assert nginx.process.stop(signal.SIGQUIT) == 0


def test_old_workers_leave_after_a_reload(stack):
    fake = stack.fake_sidecar()
    nginx = stack.nginx(SERVER, sidecar=fake, workers=2)
    at_once(20, lambda _: ask(nginx))
    before = set(nginx.worker_pids())
    nginx.reload()
    wait_until(lambda: not before & set(nginx.worker_pids()), "the old workers end")
    at_once(20, lambda _: ask(nginx))
    wait_until(lambda: len(fake.connections) <= 2, "their connections end with them")


def test_no_request_is_lost_while_nginx_reloads_under_load(stack):
    nginx = stack.nginx(SERVER, sidecar=stack.quotad(), workers=2)
    # Connections of their own: a kept-alive one may be closed by a worker that leaves.
    load = Background(lambda: ask(nginx, "/health"), threads=8)
    for _ in range(5):
        seen = len(load.results)
        nginx.reload()
        wait_until(lambda before=seen: len(load.results) > before + 50, "the load goes on")
    answers = load.stop()
    assert {(answer.status, answer.headers["X-Outcome"]) for answer in answers} == {(200, "exempt")}


def test_a_reload_takes_up_new_directives(stack):
    nginx = stack.nginx(SERVER, sidecar=stack.fake_sidecar())
    assert ask(nginx).all("RateLimit")
    nginx.configure(server=SERVER + "quota_headers legacy;")
    nginx.reload()
    wait_until(lambda: not ask(nginx).all("RateLimit"), "the new workers answer")


def test_a_reload_with_a_wrong_directive_keeps_the_old_workers(stack):
    nginx = stack.nginx(SERVER, sidecar=stack.fake_sidecar())
    ask(nginx)  # the worker runs
    before = nginx.worker_pids()
    nginx.configure(server=SERVER + "quota_headers nonsense;")
    nginx.allow_complaints("quota_headers")
    nginx.process.send(signal.SIGHUP)
    wait_until(lambda: "[emerg]" in nginx.error_log(), "nginx complains")
    assert ask(nginx).headers["X-Outcome"] == "allowed"
    assert nginx.worker_pids() == before


def test_a_fast_stop_in_the_middle_of_checks_leaves_no_alert(stack):
    fake = stack.fake_sidecar(behaviour=hold)
    nginx = stack.nginx(SERVER, sidecar=fake)
    sockets = [Later(nginx) for _ in range(5)]
    fake.wait_for_checks(5)
    assert nginx.process.stop(signal.SIGTERM) == 0
    for later in sockets:
        wait_until(lambda request=later: request.is_done, "the connection is closed")
