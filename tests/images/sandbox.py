"""Runs a command in a root made of layers, as a container would: own mounts, own processes.

    sandbox.py SPECIFICATION

The specification is JSON, see `Sandbox` in roots.py. This program is started by it in new mount and
process namespaces (unshare), so whatever is mounted here goes away with the last process.
"""

import ctypes
import json
import os
import pathlib
import stat
import subprocess
import sys

PR_SET_NO_NEW_PRIVS = 38
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
           "tty": (5, 0)}


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


def mount_layers(spec, root):
    # Relative names keep the options within the one page that mount(2) reads.
    os.chdir(spec["store"])
    options = "lowerdir=" + ":".join(reversed(spec["layers"]))
    if spec["upper"]:
        options += f",upperdir={spec['upper']},workdir={spec['work']}"
    else:
        # A read-only overlay wants two layers, whatever is in them.
        options = "ro," + options + ":empty"
    mount("-t", "overlay", "overlay", "-o", options, root)


def make_devices(root):
    dev = root / "dev"
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", dev)
    os.umask(0)
    for name, (major, minor) in DEVICES.items():
        os.mknod(dev / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
    os.umask(0o022)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")
    (dev / "fd").symlink_to("/proc/self/fd")
    (dev / "shm").mkdir(mode=0o1777)
    mount("-t", "tmpfs", "tmpfs", dev / "shm")


def bind(root, source, target, read_only):
    source, inside = pathlib.Path(source), root / target.lstrip("/")
    if source.is_dir():
        inside.mkdir(parents=True, exist_ok=True)
    elif not inside.exists():
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.touch()
    mount("--bind", source, inside)
    if read_only:
        mount("-o", "remount,bind,ro", inside)


def become(uid, gid):
    # As a container runtime does, so that /dev/stdout can be opened by the user.
    for number in (1, 2):
        os.fchown(number, uid, gid)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def main():
    spec = json.loads(sys.argv[1])
    root = pathlib.Path(spec["root"])
    mount_layers(spec, root)
    mount("-t", "proc", "proc", root / "proc")
    make_devices(root)
    for target, options in spec["tmpfs"]:
        mount("-t", "tmpfs", "-o", options, "tmpfs", root / target.lstrip("/"))
    for source, target, read_only in spec["binds"]:
        bind(root, source, target, read_only)
    os.chroot(root)
    os.makedirs(spec["workdir"], exist_ok=True) if spec["upper"] else None
    os.chdir(spec["workdir"])
    become(spec["uid"], spec["gid"])
    os.execvpe(spec["command"][0], spec["command"], spec["env"])


if __name__ == "__main__":
    main()
