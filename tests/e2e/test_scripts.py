"""The scripts that people run first. They build and start what is built for release, whichever
build tree the other tests look at."""

import os
import pathlib
import shutil
import signal
import socket
import stat

import pytest

from harness import environment
from harness.environment import REPO
from harness.ports import accepts
from harness.process import Process, run, wait_until

SCRIPTS = REPO / "scripts"

runs_release = pytest.mark.skipif(
    bool(environment.SANITIZE), reason="the scripts run what is built for release")


def free_port():
    # quickstart.sh listens on 127.0.0.1, which other tests do not use.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# -- quickstart.sh


@pytest.fixture(name="quickstart")
def fixture_quickstart(stack):
    """Starts the script with a TMPDIR of its own; ends whatever is left of it."""
    scratch = stack.workdir / "tmp"
    scratch.mkdir()
    started = []

    def start(*words, scripts=SCRIPTS):
        process = Process("quickstart", [scripts / "quickstart.sh", *words],
                          stack.workdir / "quickstart.log", {"TMPDIR": str(scratch)})
        process.scratch = scratch
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        for pid in processes_below(scratch):
            os.kill(pid, signal.SIGKILL)


def processes_below(directory):
    """Processes whose command line mentions a directory."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(directory).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass  # it has ended meanwhile
    return found


def assert_nothing_is_left(process):
    wait_until(lambda: not processes_below(process.scratch), "every process has ended")
    assert not list(process.scratch.iterdir())


@runs_release
def test_quickstart_check_finds_everything_as_promised(quickstart):
    process = quickstart("--check", "--port", str(free_port()))
    code = process.wait(timeout=300)
    assert code == 0, process.log()
    assert "11 of 11 checks passed." in process.log()
    assert_nothing_is_left(process)


@runs_release
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_quickstart_leaves_nothing_behind_when_it_is_stopped(quickstart, number):
    port = free_port()
    process = quickstart("--port", str(port))
    wait_until(lambda: "Stop with Ctrl-C" in process.log() or not process.is_running(),
               "quickstart is up", timeout=300)
    assert process.is_running(), process.log()
    assert accepts("127.0.0.1", port)
    process.send(number)
    assert process.wait() == 128 + number
    assert_nothing_is_left(process)
    assert not accepts("127.0.0.1", port)


@runs_release
@pytest.mark.parametrize("sign", ["api.sock", "quota.sock", "nginx.conf"])
def test_quickstart_leaves_nothing_behind_when_it_is_stopped_while_starting(quickstart, sign):
    process = quickstart("--port", str(free_port()))
    wait_until(lambda: sign in process.log() or list(process.scratch.rglob(sign))
               or not process.is_running(), f"{sign} is seen", timeout=300)
    process.send(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM, process.log()
    assert_nothing_is_left(process)


@runs_release
def test_quickstart_leaves_nothing_behind_when_it_is_stopped_while_building(quickstart, stack):
    # In a copy: ninja removes what it was about to make when it is interrupted, and other tests
    # run what is built here.
    copy = stack.workdir / "copy"
    shutil.copytree(REPO, copy, ignore=shutil.ignore_patterns("build", ".git"))
    process = quickstart("--port", str(free_port()), scripts=copy / "scripts")
    wait_until(lambda: "Building release" in process.log() or not process.is_running(),
               "it builds", timeout=300)
    process.send(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM, process.log()
    assert_nothing_is_left(process)
    wait_until(lambda: not processes_below(copy), "the compilers have ended")


@runs_release
def test_quickstart_takes_its_services_along_even_when_it_is_killed(quickstart):
    process = quickstart("--port", str(free_port()))
    wait_until(lambda: "Stop with Ctrl-C" in process.log() or not process.is_running(),
               "quickstart is up", timeout=300)
    process.send(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not processes_below(process.scratch), "every process has ended")


def test_quickstart_says_when_the_port_is_taken(quickstart):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = quickstart("--port", str(port))
        assert process.wait(timeout=60) == 1
    assert f"port {port}" in process.log()
    assert "--port" in process.log()


@pytest.mark.parametrize("words", [("--port",), ("--port", "0"), ("--port", "http"),
                                   ("--port", "70000"), ("--dance",)])
def test_quickstart_refuses_what_it_does_not_understand(words):
    done = run([SCRIPTS / "quickstart.sh", *words])
    assert done.returncode == 1
    assert done.stderr.startswith("quickstart.sh: ")


@pytest.mark.parametrize("script", ["deps.sh", "lint.sh", "quickstart.sh", "test.sh"])
def test_every_script_explains_itself(script):
    done = run([SCRIPTS / script, "--help"])
    assert done.returncode == 0
    assert f"scripts/{script}" in done.stdout


# -- deps.sh, with a Debian made of scripts


class FakeDebian:
    """A PATH on which the package tools only pretend, and write down how they were called."""

    def __init__(self, directory):
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.calls_path = directory / "calls.txt"
        self.calls_path.write_text("")
        self.policy = directory / "policy-rc.d"
        self.missing("nothing")
        self.program("apt-cache", "exit 0")
        self.program("apt-get", f"echo apt-get $* >>{self.calls_path}")
        self.program("id", "echo 0")

    def program(self, name, body):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def missing(self, *names):
        """Every package is installed but these: one is not known, the others were removed."""
        groups = run(["bash", "-c", f"source {SCRIPTS}/lib/packages.sh; "
                      'for group in "${PACKAGE_GROUPS[@]}"; do packages_of "$group"; done']).stdout
        every = set(groups.replace("|", " ").split()) - set(names[:1])
        lines = [f"{name} {'config-files' if name in names else 'installed'}" for name in every]
        self.program("dpkg-query", "cat <<'END'\n" + "\n".join(lines) + "\nEND")

    def deps(self, *words):
        return run([SCRIPTS / "deps.sh", *words], environment={
            "PATH": f"{self.bin}:/usr/bin:/bin", "POLICY_RC_D": str(self.policy)})

    def calls(self):
        return self.calls_path.read_text().splitlines()


@pytest.fixture(name="debian")
def fixture_debian(stack):
    return FakeDebian(stack.workdir)


def test_deps_does_nothing_when_nothing_is_missing(debian):
    done = debian.deps()
    assert done.returncode == 0, done.stderr
    assert debian.calls() == []


def test_deps_installs_only_what_is_missing(debian):
    debian.missing("ccache", "wrk")
    done = debian.deps("build", "test")
    assert done.returncode == 0, done.stderr
    assert [call.split()[1] for call in debian.calls()] == ["update", "install"]
    assert debian.calls()[1].endswith(" ccache wrk")


def test_deps_is_content_with_one_of_two_names(debian):
    debian.missing("nginx")  # nginx-light is there
    assert debian.deps("run").returncode == 0
    assert debian.calls() == []


def test_deps_takes_the_name_that_apt_knows(debian):
    debian.missing("nginx", "nginx-light")
    debian.program("apt-cache", '[ "$2" = nginx-light ]')
    assert debian.deps("run").returncode == 0
    assert debian.calls()[1].endswith(" nginx-light")


def test_deps_starts_no_service_while_it_installs(debian):
    debian.missing("redis-server")
    debian.program("apt-get", f"cat {debian.policy} >>{debian.calls_path}; true")
    assert debian.deps("test").returncode == 0
    assert "exit 101" in debian.calls()
    assert not debian.policy.exists()


def test_deps_leaves_the_policy_of_the_machine_alone(debian):
    debian.policy.write_text("mine")
    debian.missing("redis-server")
    assert debian.deps("test").returncode == 0
    assert debian.policy.read_text() == "mine"


def test_deps_removes_its_policy_when_the_installation_fails(debian):
    debian.missing("redis-server")
    debian.program("apt-get", '[ "$1" = update ]')
    done = debian.deps("test")
    assert done.returncode == 1
    assert "redis-server" in done.stderr
    assert not debian.policy.exists()


def test_deps_names_the_packages_when_apt_cannot_be_reached(debian):
    debian.missing("redis-server", "wrk")
    debian.program("apt-get", "exit 100")
    done = debian.deps("test")
    assert done.returncode == 1
    assert "redis-server wrk" in done.stderr


def test_deps_names_the_packages_when_it_may_not_install_them(debian):
    debian.missing("redis-server", "wrk")
    debian.program("id", "echo 1000")
    debian.program("sudo", "exit 1")
    done = debian.deps("test")
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends redis-server wrk" in done.stderr


def test_deps_uses_sudo_when_it_is_not_root(debian):
    debian.missing("wrk")
    debian.program("id", "echo 1000")
    debian.program("sudo", f'[ "$1" = -n ] || {{ shift; echo sudo >>{debian.calls_path}; "$@"; }}')
    assert debian.deps("test").returncode == 0
    assert debian.calls().count("sudo") >= 2
