"""Containers of the images that test_build.py has built: read-only roots, the image's own user.

They share the network of the tests, as the containers of one pod do.
"""

import http.client
import os
import pathlib
import signal
import stat
import subprocess
import tempfile
import time

from builder import Image

SOCKETS = "/run/quota"


class Containers:
    """Starts containers and ends them all."""

    def __init__(self, roots, scratch):
        self.roots = roots
        self.scratch = pathlib.Path(scratch)
        self.started = []
        # The one volume of a pod that both containers write to.
        self.socket_folder = self.scratch / "run-quota"
        self.socket_folder.mkdir()
        mode, uid, gid = self.folder_of(self.image("quotad"), SOCKETS)
        os.chown(self.socket_folder, uid, gid)
        self.socket_folder.chmod(mode)

    def image(self, name):
        return Image.load(self.roots.store / f"{name}.json")

    def folder_of(self, image, path):
        """Mode and owners of a folder of the image, which an empty volume there gets, too."""
        for layer in reversed(image.layers.names):
            folder = self.roots.layers / layer / path.strip("/")
            if folder.exists():
                found = folder.stat()
                return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
        raise FileNotFoundError(f"the image has no {path}")

    def words(self, image, words, binds=(), env=None):
        uid, gid = image.ids()
        mounted = []
        for volume in {"/tmp", *image.volumes} - {SOCKETS}:
            mode, owner, group = self.folder_of(image, volume)
            mounted.append((volume, f"mode={mode:o},uid={owner},gid={group}"))
        if SOCKETS in image.volumes:
            binds = [(self.socket_folder, SOCKETS, False), *binds]
        return self.roots.command(
            image.layers, words, uid=uid, gid=gid, binds=binds, tmpfs=mounted,
            env={**image.env, **(env or {})}, workdir=image.workdir,
            scratch=tempfile.mkdtemp(dir=self.scratch))

    def run(self, name, words, **options):
        """One command in a container of its own, to its end."""
        return subprocess.run(self.words(self.image(name), words, **options), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=60)

    def start(self, name, command=None, **options):
        """What the image starts."""
        image = self.image(name)
        words = [*image.entrypoint, *(image.command if command is None else command)]
        container = Container(name, image, self.scratch / f"{name}-{len(self.started)}.log",
                              self.words(image, words, **options))
        self.started.append(container)
        return container

    def stop(self):
        for container in reversed(self.started):
            container.kill()


class Container:
    """A container that runs; its output is in `log`."""

    def __init__(self, name, image, log, words):
        self.name, self.image, self.log = name, image, log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output)

    def main_process(self):
        """The process that the image starts: the one below unshare."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(children.read_text(encoding="utf-8").split()[0])

    def status(self):
        """The fields of /proc/PID/status."""
        text = pathlib.Path(f"/proc/{self.main_process()}/status").read_text(encoding="utf-8")
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def stop(self):
        """As the image wants to be stopped; the exit code."""
        number = getattr(signal, self.image.stop_signal)
        subprocess.run(["kill", f"-{number.value}", str(self.main_process())], check=True)
        return self.process.wait(timeout=20)

    def kill(self):
        """Ends all of its processes: without its first one, a process namespace ends."""
        if self.process.poll() is None:
            os.kill(self.main_process(), signal.SIGKILL)
            self.process.wait()

    def said(self):
        return self.log.read_text(encoding="utf-8", errors="replace")


def wait_until(condition, container, seconds=20):
    """Until a condition holds, or the container has ended."""
    end = time.monotonic() + seconds
    while not condition():
        assert container.process.poll() is None, f"{container.name} ended:\n{container.said()}"
        assert time.monotonic() < end, f"{container.name} after {seconds} s:\n{container.said()}"
        time.sleep(0.02)


def get(port, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        answer.body = answer.read()
        return answer
    finally:
        connection.close()


def answers(port, path):
    try:
        return get(port, path).status == 200
    except OSError:
        return False
