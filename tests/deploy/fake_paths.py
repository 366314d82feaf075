"""What kubectl's -o can say: jsonpath, custom-columns, names and selectors."""

import json
import re

_STEP = re.compile(r'\.((?:\\.|[^.\[\]\\])+)|\[(\*)\]|\[\?\(@\.(\w+)=="([^"]*)"\)\]|\[(\d+)\]')


def find(path, thing):
    """All that a path like .spec.containers[*].name leads to."""
    found = [thing]
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if not step:
            raise ValueError(f"this fake does not understand the path {path}")
        position = step.end()
        key, star, filter_key, filter_value, index = step.groups()
        nxt = []
        for one in found:
            if key is not None:
                key_name = key.replace("\\.", ".")
                if isinstance(one, dict) and key_name in one:
                    nxt.append(one[key_name])
            elif isinstance(one, list):
                if star:
                    nxt += one
                elif filter_key:
                    nxt += [item for item in one if str(item.get(filter_key)) == filter_value]
                elif int(index) < len(one):
                    nxt.append(one[int(index)])
        found = nxt
    return found


def text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"))
    return str(value)


def jsonpath(template, thing):
    """{.path} and {"literal"}, as far as the scripts use them."""
    said = []
    for literal, path, between in re.findall(r'\{"([^"]*)"\}|\{(\.[^}]*)\}|([^{]+)', template):
        if path:
            said.append(" ".join(text(value) for value in find(path, thing)))
        else:
            said.append(literal or between)
    return "".join(said)


def columns(spec, things):
    lines = []
    for thing in things:
        cells = []
        for column in spec.split(","):
            values = find(column.partition(":")[2], thing)
            cells.append(",".join(text(value) for value in values) or "<none>")
        lines.append("   ".join(cells))
    return lines


def selected(selector, thing):
    labels = thing["metadata"].get("labels", {})
    for part in filter(None, selector.split(",")):
        key, equals, value = part.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True
