"""Reads what callgrind has counted."""

import re
from collections import defaultdict
from pathlib import Path


def short(name, library):
    """A function without its arguments, template arguments and return type; of one whose name is
    not known, the library in parentheses."""
    name = name.replace("(anonymous namespace)::", "")
    while (plain := re.sub(r"<[^<>]*>", "", name)) != name:
        name = plain
    name = name.split("(")[0].split("'")[0].strip().split(" ")[-1]
    return f"({library})" if not name or name.startswith("0x") else name


def read(lines):
    """Instructions by function: those of its own, and with all that it calls."""
    names = {}  # of functions and libraries, by what stands for them
    own, inclusive = defaultdict(int), defaultdict(int)
    function = library = called = None
    is_call = False

    def named(kind, text, write):
        # "(7) name" when it comes first, "(7)" from then on.
        number, name = re.match(r"(\(\d+\))(?: (.*))?", text).groups()
        if name:
            names[kind, number] = write(name)
        return names[kind, number]

    for line in lines:
        key, _, value = line.rstrip("\n").partition("=")
        if key == "ob":
            library = called = named("library", value, lambda path: Path(path).name)
        elif key == "cob":
            called = named("library", value, lambda path: Path(path).name)
        elif key == "fn":
            function = named("function", value, lambda name: short(name, library))
        elif key == "cfn":
            named("function", value, lambda name: short(name, called))
            called = library
        elif key == "calls":
            is_call = True  # the next line has what the call cost
        elif line[0] in "+-*0123456789":
            cost = int((line.split() + ["0"])[1])
            inclusive[function] += cost
            if not is_call:
                own[function] += cost
            is_call = False
    # Those without a name call each other, and would be counted again and again.
    return dict(own), {name: cost for name, cost in inclusive.items() if name[0] != "("}
