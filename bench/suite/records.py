"""A result as a file: JSON, with a line for each cell, so that two can be laid side by side."""

import json


def _rounded(value):
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    return value


def _lines(value):
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]"
    return json.dumps(value)


def dumps(result):
    return "{\n " + ",\n ".join(f"{json.dumps(key)}: {_lines(value)}"
                                for key, value in _rounded(result).items()) + "\n}\n"


def read(path):
    """The result in a file, or None where there is none."""
    if not path.is_file():
        return None
    try:
        result = json.loads(path.read_text())
    except ValueError as fault:
        raise SystemExit(f"{path} is not a result of this script: {fault}") from None
    if not isinstance(result, dict) or result.get("format") != 1:
        raise SystemExit(f"{path} is not a result of this script: it lacks \"format\": 1")
    return result
