"""What dashboards are made of: panels that place themselves, and the variables of all."""

import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
RUNBOOK = "docs/runbook.md"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What every query is limited to.
HERE_AND_NOW = 'job=~"$job", instance=~"$instance"'

GREEN, YELLOW, RED = "green", "yellow", "red"
WIDTH = 24


def alert_names():
    text = (HERE.parent / "prometheus" / "alerts.yaml").read_text()
    return re.findall(r"- alert: (\w+)", text)


def steps(*above):
    """Green, and another colour from a value on: (0.01, YELLOW), (0.05, RED)."""
    return [{"color": GREEN, "value": None}] + [
        {"color": color, "value": value} for value, color in above]


def rate(metric, *matchers, by=()):
    """The sum of rates of a counter."""
    inside = ", ".join((HERE_AND_NOW, *matchers))
    grouping = f" by ({', '.join(by)}) " if by else ""
    return f"sum{grouping}(rate({metric}{{{inside}}}[$__rate_interval]))"


def share(part, whole, *, of_none=False):
    """Nothing, and not 0/0, where there is no whole. `of_none`: no part yet is a part of 0."""
    return f"{f'({part} or vector(0))' if of_none else part} / ({whole} > 0)"


def quantile(portion, histogram, *, by=()):
    buckets = rate(f"{histogram}_bucket", by=(*by, "le"))
    return f"histogram_quantile({portion}, {buckets})"


def quantiles(histogram):
    return [(quantile(portion, histogram), f"p{portion * 100:g}")
            for portion in (0.5, 0.95, 0.99)]


def gauge(metric, *matchers):
    return f"{metric}{{{', '.join((HERE_AND_NOW, *matchers))}}}"


def variable(name, label, query, *, all_value=None):
    return {
        "name": name, "label": label, "type": "query", "datasource": DATASOURCE,
        "query": {"query": query, "refId": f"{name}-variable"}, "definition": query,
        "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": all_value,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [], "hide": 0, "regex": "", "skipUrlSync": False}


SHARED_VARIABLES = [
    {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
     "current": {}, "options": [], "hide": 0, "refresh": 1, "regex": "", "includeAll": False,
     "multi": False, "skipUrlSync": False},
    variable("job", "Job", 'label_values(up{job=~"nginx|kong|quotad|redis"}, job)'),
    # Not the list of those that are there now: the past had others.
    variable("instance", "Instance", 'label_values(up{job=~"$job"}, instance)', all_value=".*"),
]


class Dashboard:
    """Fills rows of panels from left to right."""

    def __init__(self, uid, title, description, *, variables=()):
        self._uid, self._title, self._description = uid, title, description
        self._variables = [*SHARED_VARIABLES, *variables]
        self._panels = []
        self._x = self._y = self._height = 0

    def _place(self, width, height):
        if self._x + width > WIDTH:
            self._break()
        position = {"x": self._x, "y": self._y, "w": width, "h": height}
        self._x += width
        self._height = max(self._height, height)
        return position

    def _break(self):
        self._y += self._height
        self._x = self._height = 0

    def _append(self, panel, width, height):
        self._panels.append({"id": len(self._panels) + 1, **panel,
                             "gridPos": self._place(width, height)})

    def row(self, title):
        self._break()
        self._append({"type": "row", "title": title, "collapsed": False, "panels": []}, WIDTH, 1)
        self._break()

    def _panel(self, kind, title, description, unit, targets, *, width, height, options,
               defaults=None, alerts=(), instant=False, form="time_series", **more):
        self._append({
            "type": kind, "title": title, "description": description, "datasource": DATASOURCE,
            "targets": [
                {"refId": chr(ord("A") + i), "datasource": DATASOURCE, "expr": expr,
                 "legendFormat": legend, "instant": instant, "range": not instant, "format": form}
                for i, (expr, legend) in enumerate(targets)],
            "fieldConfig": {"defaults": {"unit": unit, **(defaults or {})}, "overrides": []},
            "options": options,
            "links": [{"title": f"Runbook: {name}", "url": f"{RUNBOOK}#{name.lower()}",
                       "targetBlank": True} for name in alerts],
            **more}, width, height)

    def stat(self, title, description, unit, targets, *, thresholds=(), width=4, height=4,
             text="auto", alerts=()):
        self._panel(
            "stat", title, description, unit, targets, width=width, height=height, alerts=alerts,
            defaults={"thresholds": {"mode": "absolute", "steps": steps(*thresholds)},
                      "color": {"mode": "thresholds"}, "noValue": "–"},
            options={"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                     "textMode": text, "colorMode": "value", "graphMode": "area",
                     "justifyMode": "auto", "orientation": "auto"})

    def series(self, title, description, unit, targets, *, thresholds=(), width=12, height=8,
               stacked=False, alerts=()):
        """Lines over time; a threshold is drawn as a line too."""
        self._panel(
            "timeseries", title, description, unit, targets, width=width, height=height,
            alerts=alerts,
            defaults={
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps(*thresholds)},
                "color": {"mode": "palette-classic"},
                "custom": {
                    "drawStyle": "line", "lineWidth": 1, "fillOpacity": 25 if stacked else 8,
                    "showPoints": "never", "spanNulls": False,
                    "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
                    "thresholdsStyle": {"mode": "line" if thresholds else "off"}}},
            options={"legend": {"displayMode": "table", "placement": "bottom",
                                "calcs": ["mean", "max", "lastNotNull"], "showLegend": True},
                     "tooltip": {"mode": "multi", "sort": "desc"}})

    def states(self, title, description, targets, *, meaning, width=12, height=6, alerts=()):
        """A bar per series. `meaning` says what 0 and 1 are: (text, colour) of each."""
        mappings = {str(value): {"text": text, "color": color, "index": value}
                    for value, (text, color) in enumerate(meaning)}
        self._panel(
            "state-timeline", title, description, "none", targets, width=width, height=height,
            alerts=alerts,
            defaults={"mappings": [{"type": "value", "options": mappings}],
                      "color": {"mode": "thresholds"},
                      "thresholds": {"mode": "absolute", "steps": steps()},
                      "custom": {"fillOpacity": 70, "lineWidth": 0}},
            options={"mergeValues": True, "showValue": "auto", "rowHeight": 0.8,
                     "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
                     "tooltip": {"mode": "single", "sort": "none"}})

    def heatmap(self, title, description, unit, expr, *, width=12, height=8):
        self._panel(
            "heatmap", title, description, unit, [(expr, "{{le}}")], width=width, height=height,
            form="heatmap",
            options={"calculate": False, "cellGap": 1, "yAxis": {"unit": unit},
                     "color": {"mode": "scheme", "scheme": "Blues", "steps": 64},
                     "tooltip": {"mode": "single", "yHistogram": False},
                     "legend": {"show": True}})

    def bars(self, title, description, unit, targets, *, width=12, height=8, alerts=()):
        """One bar for each series, of the whole range of time."""
        self._panel(
            "bargauge", title, description, unit, targets, width=width, height=height,
            alerts=alerts, instant=True,
            defaults={"min": 0, "noValue": "–", "color": {"mode": "palette-classic"},
                      "thresholds": {"mode": "absolute", "steps": steps()}},
            options={"displayMode": "basic", "orientation": "horizontal", "showUnfilled": True,
                     "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}})

    def table(self, title, description, expr, columns, *, width=12, height=6, alerts=()):
        """What is so now: one line for each series, its labels as columns."""
        self._panel(
            "table", title, description, "none", [(expr, "")], width=width, height=height,
            alerts=alerts, instant=True, form="table",
            defaults={"noValue": "–", "custom": {"align": "auto", "filterable": False}},
            options={"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
            transformations=[{"id": "filterFieldsByName",
                              "options": {"include": {"names": list(columns)}}},
                             {"id": "organize",
                              "options": {"indexByName": {name: i for i, name in
                                                          enumerate(columns)}}}])

    def document(self):
        return {
            "uid": self._uid, "title": self._title, "description": self._description,
            "tags": ["quotagate"], "schemaVersion": 39, "version": 1, "editable": True,
            "graphTooltip": 1, "refresh": "30s", "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"},
            "templating": {"list": self._variables},
            "annotations": {"list": [{
                "name": "Alerts", "datasource": DATASOURCE, "enable": True, "iconColor": RED,
                "expr": f'ALERTS{{alertstate="firing", alertname=~"{"|".join(alert_names())}"}}',
                "titleFormat": "{{alertname}}", "textFormat": "{{instance}}", "step": "60s"}]},
            "links": [
                {"title": "Runbook", "type": "link", "icon": "doc", "url": RUNBOOK,
                 "targetBlank": True},
                {"title": "quotagate", "type": "dashboards", "tags": ["quotagate"],
                 "asDropdown": False, "includeVars": True, "keepTime": True}],
            "panels": self._panels}
