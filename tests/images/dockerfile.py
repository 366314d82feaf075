"""Reads Dockerfiles: stages, instructions with their flags, and what build arguments make of them.

Only as much of the language as docker/ uses; anything else is an error that says so.
"""

import dataclasses
import fnmatch
import json
import pathlib
import re

KNOWN = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN",
         "STOPSIGNAL", "USER", "VOLUME", "WORKDIR", "ADD", "SHELL", "ONBUILD", "MAINTAINER"}


class DockerfileError(Exception):
    """What is wrong, and in which line."""


@dataclasses.dataclass
class Instruction:
    """One instruction; `flags` are its --name=value, of which there may be several of a name."""

    name: str
    flags: list
    text: str
    line: int

    def flag(self, name):
        values = [value for key, value in self.flags if key == name]
        return values[0] if values else None

    def mounts(self):
        """Those of RUN, each as a dictionary."""
        return [dict(part.split("=", 1) for part in value.split(","))
                for key, value in self.flags if key == "mount"]

    def words(self):
        """JSON or words, as COPY, CMD and ENTRYPOINT take them."""
        if self.text.startswith("["):
            return json.loads(self.text)
        return self.text.split()

    def pairs(self):
        """NAME=value of ARG, ENV and LABEL; None for a name without a value."""
        found = []
        for word in re.findall(r'(?:[^\s"]|"(?:\\.|[^"\\])*")+', self.text):
            name, equals, value = word.partition("=")
            found.append((name, value.replace('"', "") if equals else None))
        return found


@dataclasses.dataclass
class Stage:
    """What stands between one FROM and the next."""

    base: str
    name: str
    line: int
    instructions: list


@dataclasses.dataclass
class Dockerfile:
    """Arguments before the first FROM, and stages."""

    path: pathlib.Path
    arguments: list
    stages: list

    def stage(self, name):
        return next((stage for stage in self.stages if stage.name == name), None)


def read(path):
    arguments, stages = [], []
    for instruction in _instructions(pathlib.Path(path)):
        if instruction.name == "FROM":
            words = instruction.text.split()
            name = words[2] if len(words) == 3 and words[1].upper() == "AS" else ""
            stages.append(Stage(words[0], name, instruction.line, []))
        elif stages:
            stages[-1].instructions.append(instruction)
        elif instruction.name == "ARG":
            arguments.append(instruction)
        else:
            raise DockerfileError(f"{path}:{instruction.line}: {instruction.name} before FROM")
    return Dockerfile(pathlib.Path(path), arguments, stages)


def _instructions(path):
    joined, start = "", 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("#") or (not joined and not line.strip()):
            continue
        if not joined:
            start = number
        joined += line.strip().removesuffix("\\")
        if line.rstrip().endswith("\\"):
            joined += " "
            continue
        yield _instruction(path, joined, start)
        joined = ""
    if joined:
        raise DockerfileError(f"{path}:{start}: the last line ends with a backslash")


def _instruction(path, text, line):
    name, _, rest = text.strip().partition(" ")
    name, rest = name.upper(), rest.strip()
    if name not in KNOWN:
        raise DockerfileError(f"{path}:{line}: unknown instruction {name}")
    if "<<" in rest:
        raise DockerfileError(f"{path}:{line}: here-documents are not read here")
    flags = []
    while found := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        flags.append((found[1], found[2]))
        rest = rest[found.end():]
    return Instruction(name, flags, rest, line)


def expand(text, variables):
    """What Docker makes of $NAME, ${NAME}, ${NAME:-word} and ${NAME:+word} in a text."""
    found = re.search(r"\$(?:(\w+)|\{(\w+)(?::([-+]))?)", text)
    if not found:
        return text
    name = found[1] or found[2]
    value, end = variables.get(name) or "", found.end()
    if found[2]:
        depth, begin = 1, end
        while depth:
            if text[end] in "{}":
                depth += 1 if text[end] == "{" else -1
            end += 1
        word = expand(text[begin:end - 1], variables)
        if found[3] == "-":
            value = value or word
        elif found[3] == "+":
            value = word if value else ""
    return text[:found.start()] + value + expand(text[end:], variables)


def defaults(instructions, given, outer=None):
    """The values of ARG instructions: what is given, else the default, else that of `outer`."""
    values = {}
    for instruction in instructions:
        if instruction.name != "ARG":
            continue
        for name, default in instruction.pairs():
            scope = {**(outer or {}), **values} if outer is None else values
            inherited = (outer or {}).get(name, "")
            value = given.get(name, inherited if default is None else expand(default, scope))
            values[name] = value
    return values


class Ignore:
    """The rules of a .dockerignore: the last one that matches decides."""

    def __init__(self, path):
        self.rules = []
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            line = line.strip()
            if line and not line.startswith("#"):
                keep = line.startswith("!")
                self.rules.append((keep, line.lstrip("!").strip("/")))

    def leaves_out(self, path):
        """Whether a file, by its path from the root of the context, is no part of it."""
        parts = pathlib.PurePosixPath(path).parts
        left_out = False
        for keep, pattern in self.rules:
            if any(_matches(parts[:end], pattern) for end in range(1, len(parts) + 1)):
                left_out = not keep
        return left_out


def _matches(parts, pattern):
    wanted = pattern.split("/")
    if wanted[0] == "**":
        wanted = wanted[1:]
        parts = parts[-len(wanted):]
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
