"""Expressions of Prometheus: which metrics they ask, and whether they can be read at all."""

import re

import yaml

from harness import environment
from harness.process import run

# What a dashboard's variables may stand for.
_VARIABLES = {"__rate_interval": "1m", "__range": "1h"}
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)?\s*\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*\b(?!\s*\()")


def without_variables(expr):
    """As Grafana sends it, with every other variable meaning everything."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: _VARIABLES.get(match[1], ".*"), expr)


def selectors(expr):
    """(metric, {label: values}) of each selector, with the values of its matchers in a list."""
    expr = without_variables(expr)
    found = []
    for name, matchers in _SELECTOR.findall(expr):
        labels = {}
        for label, value in _MATCHER.findall(matchers):
            labels.setdefault(label, []).append(value)
        found.append((name, labels))
    return found


def metrics_of(expr):
    """The names of all metrics that an expression asks."""
    rest = without_variables(expr)
    rest = re.sub(r'"(?:[^"\\]|\\.)*"', '""', rest)
    rest = _GROUPING.sub(" ", rest)
    rest = re.sub(r"\{[^}]*\}", " ", rest)
    rest = re.sub(r"\[[^\]]*\]", " ", rest)
    return {name for name in _NAME.findall(rest) if name.lower() not in _WORDS}


def family_of(metric):
    """The name under which a histogram's series are announced."""
    return re.sub(r"_(bucket|sum|count)$", "", metric)


def promtool(*words, stdin=None):
    """Exit code, and all that it says."""
    done = run([environment.program("promtool"), *words], stdin=stdin)
    return done.returncode, done.stdout + done.stderr


def complaints(expressions, workdir):
    """What promtool has against expressions, each taken as a rule of its own."""
    rules = [{"record": f"expression:{i}", "expr": without_variables(expr)}
             for i, expr in enumerate(expressions)]
    path = workdir / "expressions.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "expressions", "rules": rules}]}))
    code, said = promtool("check", "rules", path)
    return said if code else ""
