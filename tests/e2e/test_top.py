"""quotactl top: a table that refreshes itself in a terminal, and plain text elsewhere."""

import json
import os
import pty
import select
import signal
import subprocess
import termios
import time

import pytest

from harness.environment import PATIENCE
from harness.ports import ADDRESS, free_port
from harness.process import Process, wait_until

HIDDEN, SHOWN = b"\x1b[?25l", b"\x1b[?25h"


@pytest.fixture(name="quotad")
def fixture_quotad(stack):
    return stack.quotad()


class Terminal:
    """quotactl in a terminal of its own."""

    def __init__(self, quotad, *words):
        self.output = b""
        self._ours, theirs = pty.openpty()
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.process = subprocess.Popen(
            quotad.ctl_command("top", *words), stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, **quotad.ctl_environment()}, start_new_session=True)

    def wait_for(self, text, times=1):
        deadline = time.monotonic() + PATIENCE
        while self.output.count(text) < times:
            assert time.monotonic() < deadline, f"no {text!r} in {self.output!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self.output += os.read(self._ours, 65536)

    def press(self, keys):
        os.write(self._ours, keys)

    def ended(self):
        code = self.process.wait(PATIENCE)
        while select.select([self._ours], [], [], 0)[0]:
            self.output += os.read(self._ours, 65536)
        after = termios.tcgetattr(self._theirs)
        return code, after == self.before and self.output.rstrip().endswith(SHOWN + b"\x1b[?1049l")


def test_once_says_it_and_leaves(quotad):
    done = quotad.ctl("top", "--once", token=None)
    assert done.returncode == 0
    assert "0.0 requests per second" in done.stdout
    assert "\x1b" not in done.stdout


def test_without_usage_it_says_why_nobody_is_there(stack):
    quotad = stack.quotad(flags=["--usage", "off"])
    quotad.check(method="GET", path=b"/identify")
    assert "usage is off" in quotad.ctl("top", "--once").stdout


def test_json_is_what_quotad_says(quotad):
    done = quotad.ctl("top", "--once", "--json", "--limit", "3")
    assert json.loads(done.stdout) == quotad.get_json("/v1/top?limit=3")


@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_a_bad_limit_is_refused(quotad, limit):
    done = quotad.ctl("top", "--once", "--limit", limit)
    assert done.returncode == 1
    assert "--limit" in done.stderr


def test_without_quotad_it_says_so(quotad):
    quotad.admin = f"http://{ADDRESS}:{free_port()}"
    done = quotad.ctl("top", "--once")
    assert done.returncode == 3
    assert "cannot reach quotad" in done.stderr


def test_without_a_terminal_it_repeats_plain_text(stack, quotad):
    process = Process("top", quotad.ctl_command("top"), stack.workdir / "top.log",
                      quotad.ctl_environment())
    wait_until(lambda: process.log().count("requests per second") >= 2, "it has said it twice")
    process.kill()
    assert "\x1b" not in process.log()


@pytest.mark.parametrize("end", ["q", "ctrl-c", "sigint", "sigterm"])
def test_in_a_terminal_it_refreshes_and_leaves_it_as_it_was(quotad, end):
    terminal = Terminal(quotad)
    terminal.wait_for(HIDDEN)
    terminal.wait_for(b"requests per second", times=2)
    assert termios.tcgetattr(terminal._theirs) != terminal.before
    if end in ("q", "ctrl-c"):
        terminal.press(b"q" if end == "q" else b"\x03")
    else:
        terminal.process.send_signal(signal.SIGINT if end == "sigint" else signal.SIGTERM)
    assert terminal.ended() == (0, True)


def test_it_waits_for_a_quotad_that_is_away(quotad):
    terminal = Terminal(quotad)
    terminal.wait_for(b"requests per second")
    quotad.stop()
    terminal.wait_for(b"cannot reach quotad")
    quotad.start()
    seen = terminal.output.count(b"requests per second")
    terminal.wait_for(b"requests per second", times=seen + 1)
    terminal.press(b"q")
    assert terminal.ended() == (0, True)
