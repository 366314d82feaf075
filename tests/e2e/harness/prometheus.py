"""A real Prometheus with the configuration and the alerts of monitoring/, in a hurry."""

import json
import urllib.error
import urllib.parse
import urllib.request

import yaml

from harness import environment
from harness.environment import PATIENCE, REPO
from harness.ports import ADDRESS, free_port
from harness.process import Process, wait_until

SHIPPED = REPO / "monitoring" / "prometheus"


def hurried_rules():
    """The shipped alerts, except that nothing has to be so for long."""
    rules = yaml.safe_load((SHIPPED / "alerts.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "1s"
    return rules


def hurried_configuration(targets):
    """The shipped configuration with other intervals and addresses. `targets` names addresses by
    job; jobs without any are left out."""
    configuration = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "300ms", "scrape_timeout": "300ms",
                               "evaluation_interval": "300ms"}
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    for name, addresses in targets.items():
        jobs[name]["static_configs"] = [{"targets": list(addresses)}]
    configuration["scrape_configs"] = [jobs[name] for name in targets]
    return configuration


class Prometheus:
    def __init__(self, workdir, targets, name="prometheus"):
        self.directory = workdir / name
        self.directory.mkdir()
        self._port = free_port()
        self.url = f"http://{ADDRESS}:{self._port}"
        self.process = None
        (self.directory / "alerts.yaml").write_text(yaml.safe_dump(hurried_rules()))
        (self.directory / "prometheus.yml").write_text(
            yaml.safe_dump(hurried_configuration(targets)))

    def start(self):
        self.process = Process(
            "prometheus",
            [environment.program("prometheus"), f"--config.file={self.directory}/prometheus.yml",
             f"--storage.tsdb.path={self.directory}/data",
             f"--web.listen-address={ADDRESS}:{self._port}", "--log.level=warn"],
            self.directory / "prometheus.log", cwd=self.directory)
        wait_until(lambda: not self.process.is_running() or self._is_ready(),
                   "Prometheus is ready")
        assert self.process.is_running(), f"Prometheus did not start:\n{self.process.log()}"
        return self

    def _is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=PATIENCE) as answer:
                return answer.status == 200
        except OSError:
            return False

    def _ask(self, path, **parameters):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expr):
        """What an expression is now: (labels, value) of each series, or a list of one number."""
        data = self._ask("query", query=expr)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(series["metric"], float(series["value"][1])) for series in data["result"]]

    def firing(self, name=None):
        """The alerts that fire: their labels with the description beside them."""
        return [{**alert["labels"], "description": alert["annotations"]["description"]}
                for alert in self._ask("alerts")["alerts"] if alert["state"] == "firing"
                and name in (None, alert["labels"]["alertname"])]

    def stop(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        try:
            code = process.stop()
            assert code == 0, f"Prometheus ended with {code}:\n{process.log()}"
        finally:
            process.kill()

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process = None
