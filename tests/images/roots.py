"""Clean Debian roots, layers over them, and commands that run in them.

A layer is a folder with what one instruction has changed, laid over those below by overlayfs, and
is kept under a name made of everything it depends on, as Docker does it.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What Debian's slim images say to dpkg and apt: no documentation, no archives, no fsync.
SLIM = {
    "etc/dpkg/dpkg.cfg.d/slim": "force-unsafe-io\n" + "".join(
        f"path-exclude /usr/share/{name}/*\n" for name in ("doc", "man", "info", "locale"))
    + "path-include /usr/share/doc/*/copyright\n",
    "etc/apt/apt.conf.d/slim": 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n',
    # Nothing is started in an image that is being built.
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
}


def why_not():
    """Why there can be no roots on this machine; empty if there can."""
    if os.geteuid() != 0:
        return "a clean root takes root to make, and this is an ordinary user"
    for tool in ("debootstrap", "unshare", "mount"):
        if not shutil.which(tool):
            return f"{tool} is not installed: scripts/deps.sh images"
    with tempfile.TemporaryDirectory(dir=_existing(HERE.parents[1] / "build")) as scratch:
        for name in ("lower", "upper", "work"):
            (pathlib.Path(scratch) / name).mkdir()
        tried = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--net", "mount", "-t", "overlay", "overlay",
             "-o", "lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work".format(scratch),
             "/mnt"],
            capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            return f"this machine mounts no overlay: {tried.stderr.strip()}"
    return ""


def _existing(path):
    path.mkdir(parents=True, exist_ok=True)
    return path


def mirrors():
    """Where this machine's apt gets Debian from: archive and security archive."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"],
        capture_output=True, text=True, check=True).stdout
    main = security = None
    for uri, codename in (line.split() for line in listed.splitlines() if " " in line):
        if codename.endswith("-security"):
            security = security or uri.rstrip("/")
        elif re.fullmatch(r"[a-z]+", codename):
            main = main or uri.rstrip("/")
    if not main or not security:
        raise RuntimeError("apt-get update has not been run: apt knows no archive of Debian")
    return main, security


@dataclasses.dataclass
class Layers:
    """A stack of layers, bottom first; `key` stands for all of them."""

    key: str
    names: list


class Roots:
    """The folder in which layers are kept, build/images unless said otherwise."""

    def __init__(self, store):
        self.store = pathlib.Path(store)
        self.layers = _existing(self.store / "layers")
        _existing(self.layers / "empty")

    def base(self, suite):
        """A minimal Debian, made anew each week so that it does not go stale."""
        week = time.strftime("%G-%V")
        key = _digest("base", suite, week, *SLIM, *SLIM.values())
        root = self.layers / key
        if not (self.layers / f"{key}.done").exists():
            shutil.rmtree(root, ignore_errors=True)
            main, security = mirrors()
            subprocess.run(
                ["debootstrap", "--variant=minbase", suite, str(root), main], check=True,
                stdout=subprocess.DEVNULL)
            (root / "etc/apt/sources.list").write_text(
                f"deb {main} {suite} main\ndeb {main} {suite}-updates main\n"
                f"deb {security} {suite}-security main\n", encoding="utf-8")
            for name, text in SLIM.items():
                (root / name).write_text(text, encoding="utf-8")
            (root / "usr/sbin/policy-rc.d").chmod(0o755)
            subprocess.run(["chroot", str(root), "apt-get", "clean"], check=True)
            (self.layers / f"{key}.done").touch()
        return self._use(Layers(key, [key]))

    def layer(self, below, parts, make):
        """The layer that `make(upper)` fills, unless it has been made before of the same parts."""
        key = _digest(below.key, *parts)
        done = self.layers / f"{key}.done"
        if not done.exists():
            upper = self.layers / key
            shutil.rmtree(upper, ignore_errors=True)
            upper.mkdir()
            started = time.monotonic()
            make(key)
            done.touch()
            with open(self.store / "steps.log", "a", encoding="utf-8") as log:
                log.write(f"{time.monotonic() - started:6.1f} s  {parts[0]} {parts[1]}\n")
        return self._use(Layers(key, [*below.names, key]))

    def _use(self, layers):
        for name in layers.names:
            (self.layers / f"{name}.done").touch()
        return layers

    def forget_old_layers(self):
        """Removes layers that nothing has asked for in a week."""
        for done in self.layers.glob("*.done"):
            if time.time() - done.stat().st_mtime > 7 * 24 * 3600:
                shutil.rmtree(done.with_suffix(""), ignore_errors=True)
                done.unlink()

    def command(self, layers, words, *, upper=None, env=None, workdir="/", uid=0, gid=0, binds=(),
                tmpfs=(), scratch):
        """The words that run a command in a root; `scratch` is an own, empty folder."""
        scratch = pathlib.Path(scratch)
        for name in ("root", "work"):
            (scratch / name).mkdir()
        work = None
        if upper:
            # On the file system of the layer, as overlayfs wants it.
            work = f"{upper}.work"
            shutil.rmtree(self.layers / work, ignore_errors=True)
            (self.layers / work).mkdir()
        spec = {
            "store": str(self.layers), "root": str(scratch / "root"), "layers": layers.names,
            "upper": upper, "work": work, "command": list(words), "workdir": workdir,
            "env": {"PATH": PATH, **(env or {})}, "uid": uid, "gid": gid,
            "binds": [[str(source), target, ro] for source, target, ro in binds],
            "tmpfs": list(tmpfs)}
        return ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
                sys.executable, "-B", str(HERE / "sandbox.py"), json.dumps(spec)]

    def run(self, layers, words, **options):
        """Runs a command to its end; raises with the end of its output if it fails."""
        with tempfile.TemporaryDirectory(dir=self.store) as scratch:
            result = subprocess.run(
                self.command(layers, words, scratch=scratch, **options), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                errors="replace")
        if options.get("upper"):
            shutil.rmtree(self.layers / f"{options['upper']}.work", ignore_errors=True)
        if result.returncode != 0:
            raise StepFailed(words, result.stdout)
        return result.stdout


class StepFailed(Exception):
    """A command that failed in a root, and all that it said."""

    def __init__(self, words, output):
        super().__init__(f"{' '.join(words)}:\n{output[-3000:]}")
        self.output = output


def _digest(*parts):
    whole = hashlib.sha256()
    for part in parts:
        data = str(part).encode()
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:16]


def digest_of_files(paths):
    """One digest of files and of everything below folders: names, modes and contents."""
    whole = hashlib.sha256()
    for top in paths:
        top = pathlib.Path(top)
        found = [top] if not top.is_dir() else sorted(p for p in top.rglob("*") if not p.is_dir())
        for path in found:
            data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            whole.update(f"{path.relative_to(top)} {path.lstat().st_mode:o} {len(data)}\n".encode())
            whole.update(data)
    return whole.hexdigest()
