#!/usr/bin/env python3
"""Writes what is made of other files here: the dashboards' JSON and the PrometheusRule.

    monitoring/generate.py            writes them
    monitoring/generate.py --check    says which are not as they should be; exit code 1 if any is
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "grafana"))

import gateway_dashboard  # noqa: E402  pylint: disable=wrong-import-position
import quota_dashboard  # noqa: E402  pylint: disable=wrong-import-position

_RULE_HEAD = """\
# Made of ../prometheus/alerts.yaml by ../generate.py.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: quotagate
  labels:
    app.kubernetes.io/part-of: quotagate
spec:
"""


def prometheus_rule():
    rules = (HERE / "prometheus" / "alerts.yaml").read_text()
    groups = rules[rules.index("groups:"):]
    return _RULE_HEAD + "".join(f"  {line}" if line.strip() else line
                                for line in groups.splitlines(keepends=True))


def _json(document):
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def outputs():
    """Path -> text of everything that is made here."""
    dashboards = HERE / "grafana" / "dashboards"
    return {
        HERE / "kubernetes" / "prometheusrule.yaml": prometheus_rule(),
        dashboards / "gateway.json": _json(gateway_dashboard.dashboard()),
        dashboards / "quota.json": _json(quota_dashboard.dashboard()),
    }


def main():
    stale = [(path, text) for path, text in outputs().items()
             if not path.exists() or path.read_text() != text]
    for path, text in stale:
        if "--check" in sys.argv[1:]:
            print(f"{path} is not what {sys.argv[0]} makes; run it")
        else:
            path.write_text(text)
            print(f"wrote {path}")
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
