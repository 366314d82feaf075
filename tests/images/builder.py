"""Builds an image from a Dockerfile, without Docker: each RUN and COPY takes place in a clean root.

What Docker would do besides (a registry, the format of an image) is left out. The result says how
the image is started, so that it can be run like a container.
"""

import copy
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess

import dockerfile
from roots import Layers, digest_of_files

REPO = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Image:
    """Layers, and what the other instructions say of how to run them."""

    layers: Layers
    env: dict = dataclasses.field(default_factory=dict)
    labels: dict = dataclasses.field(default_factory=dict)
    user: str = "0:0"
    workdir: str = "/"
    entrypoint: list = dataclasses.field(default_factory=list)
    command: list = dataclasses.field(default_factory=list)
    health: list = dataclasses.field(default_factory=list)
    volumes: list = dataclasses.field(default_factory=list)
    stop_signal: str = "SIGTERM"

    def ids(self):
        uid, _, gid = self.user.partition(":")
        return int(uid), int(gid or 0)

    def save(self, path):
        pathlib.Path(path).write_text(json.dumps(dataclasses.asdict(self), indent=1))

    @staticmethod
    def load(path):
        found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        return Image(**{**found, "layers": Layers(**found["layers"])})


def make_context(target):
    """What `docker build .` would be sent: the repository less what .dockerignore leaves out."""
    ignore = dockerfile.Ignore(REPO / ".dockerignore")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=REPO,
        capture_output=True, text=True, check=True).stdout.split("\0")
    shutil.rmtree(target, ignore_errors=True)
    for name in filter(None, listed):
        if (REPO / name).is_file() and not ignore.leaves_out(name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, target / name)
    return target


class Builder:
    """Executes Dockerfiles.

    `bases` are images by name, in place of a registry. `contexts` are folders, as --build-context
    gives them. `binds` are mounted into every RUN: a cache for the compiler, say.
    """

    def __init__(self, roots, context, bases, binds=(), env=None):
        self.roots = roots
        self.context = pathlib.Path(context)
        self.bases = bases
        self.binds = [*binds, ("/etc/resolv.conf", "/etc/resolv.conf", True),
                      ("/etc/hosts", "/etc/hosts", True)]
        self.env = env or {}

    def build(self, path, arguments=None, contexts=None, target=None):
        """The image of the last stage, or that of the stage `target`."""
        file = dockerfile.read(path)
        given, contexts = arguments or {}, contexts or {}
        outer = dockerfile.defaults(file.arguments, given)
        stages = {}
        image = None
        for stage in file.stages:
            base = dockerfile.expand(stage.base, outer)
            if stage.name in contexts or base == "scratch":
                # Replaced by a folder, or by nothing.
                stages[stage.name] = contexts.get(stage.name)
                continue
            image = self._stage(stage, self._base(base, stages), stages, given, outer)
            stages[stage.name] = image
            if target and stage.name == target:
                break
        return image

    def _base(self, name, stages):
        return copy.deepcopy(stages.get(name) or self.bases[name])

    def _stage(self, stage, image, stages, given, outer):
        variables = {}
        for instruction in stage.instructions:
            if instruction.name == "ARG":
                for name, default in instruction.pairs():
                    inherited = outer.get(name, "")
                    variables[name] = given.get(name, inherited if default is None else
                                                dockerfile.expand(default, variables))
                continue
            scope = {**variables, **image.env}
            text = instruction.text if instruction.name in ("RUN", "HEALTHCHECK") else (
                dockerfile.expand(instruction.text, scope))
            expanded = dataclasses.replace(instruction, text=text)
            getattr(self, f"_{instruction.name.lower()}")(image, expanded, scope, stages)
        return image

    # -- instructions that change files

    def _run(self, image, instruction, scope, stages):
        binds, parts = [], [instruction.text, sorted(scope.items())]
        for mount in instruction.mounts():
            source = self._source(mount.get("from"), mount["source"], stages)
            if source is None:
                source = self.roots.layers / "empty"
            parts.append(digest_of_files([source]))
            binds.append((source, mount["target"], True))
        uid, gid = image.ids()

        def make(upper):
            self.roots.run(
                image.layers, ["/bin/sh", "-c", instruction.text], upper=upper,
                env={**scope, **self.env}, workdir=image.workdir, uid=uid, gid=gid,
                binds=[*binds, *self.binds])

        image.layers = self.roots.layer(image.layers, ["RUN", *parts], make)

    def _copy(self, image, instruction, _, stages):
        *names, target = instruction.words()
        sources = [self._source(instruction.flag("from"), name, stages) for name in names]
        target = os.path.join(image.workdir, target)

        def make(upper):
            into = self.roots.layers / upper / target.strip("/")
            for source in sources:
                if source.is_dir():
                    into.mkdir(parents=True, exist_ok=True)
                    _copy_as_root(f"{source}/.", into)
                elif target.endswith("/") or len(sources) > 1:
                    into.mkdir(parents=True, exist_ok=True)
                    _copy_as_root(source, into)
                else:
                    into.parent.mkdir(parents=True, exist_ok=True)
                    _copy_as_root(source, into)

        image.layers = self.roots.layer(
            image.layers, ["COPY", target, *names, digest_of_files(sources)], make)

    def _source(self, origin, path, stages):
        if not origin:
            return self.context / path
        stage = stages[origin]
        if isinstance(stage, Image):
            return self.file_in(stage, path)
        return stage and pathlib.Path(stage) / path.strip("/")

    def file_in(self, image, path):
        """Where a file of an image lies: in the topmost layer that has it. Enough for what one step
        has written into a folder of its own."""
        for name in reversed(image.layers.names):
            found = self.roots.layers / name / path.strip("/")
            if found.exists():
                return found
        raise FileNotFoundError(f"no layer has {path}")

    # -- and those that only say something

    def _workdir(self, image, instruction, *_):
        image.workdir = instruction.text

    def _user(self, image, instruction, *_):
        image.user = instruction.text

    def _env(self, image, instruction, *_):
        image.env.update(instruction.pairs())

    def _label(self, image, instruction, *_):
        image.labels.update(instruction.pairs())

    def _entrypoint(self, image, instruction, *_):
        image.entrypoint, image.command = instruction.words(), []

    def _cmd(self, image, instruction, *_):
        image.command = instruction.words()

    def _volume(self, image, instruction, *_):
        image.volumes += instruction.words()

    def _stopsignal(self, image, instruction, *_):
        image.stop_signal = instruction.text

    def _healthcheck(self, image, instruction, *_):
        image.health = dataclasses.replace(
            instruction, text=instruction.text.removeprefix("CMD ")).words()

    def _expose(self, *_):
        pass


def _copy_as_root(source, target):
    subprocess.run(["cp", "-a", "--no-preserve=ownership", str(source), str(target)], check=True)
