"""Starting and stopping processes, and waiting for what they do."""

import os
import pathlib
import signal
import subprocess
import time

from harness.environment import PATIENCE


def wait_until(condition, what, timeout=PATIENCE):
    """Returns what `condition` returns as soon as it is true; fails when that takes too long."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain: {what}")
        time.sleep(0.005)


class Process:
    """A process in a group of its own whose output goes to a file."""

    def __init__(self, name, argv, log, environment=None, cwd=None):
        self.name = name
        self.log_path = pathlib.Path(log)
        with open(self.log_path, "ab") as output:
            self._popen = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}, cwd=cwd,
                start_new_session=True)

    @property
    def pid(self):
        return self._popen.pid

    def log(self):
        return self.log_path.read_text(errors="replace")

    def is_running(self):
        return self._popen.poll() is None

    def send(self, number):
        self._popen.send_signal(number)

    def wait(self, timeout=PATIENCE):
        """The exit code; negative for the signal that ended it."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout} s") from None

    def stop(self, number=signal.SIGTERM, timeout=PATIENCE):
        if self.is_running():
            self.send(number)
        return self.wait(timeout)

    def kill(self):
        """Ends the whole group, whatever state it is in."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._popen.wait()


def run(argv, environment=None, stdin=None, timeout=60):
    """Runs a program to its end. Returns its exit code, standard output and standard error."""
    done = subprocess.run([str(word) for word in argv], input=stdin, capture_output=True, text=True,
                          errors="replace", env={**os.environ, **(environment or {})},
                          timeout=timeout, check=False)
    return done
