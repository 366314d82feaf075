"""The rendered objects of one overlay, and what one wants to know of them."""

import copy

import yaml

NAMESPACE = "api-gateway"
WORKLOADS = ("Deployment", "StatefulSet", "Job")


class Pod:
    """The template of pods, and whose it is."""

    def __init__(self, owner):
        self.owner = owner
        self.kind = owner["kind"]
        self.name = owner["metadata"]["name"]
        template = owner["spec"]["template"]
        self.labels = template["metadata"].get("labels", {})
        self.spec = template["spec"]
        self.replicas = owner["spec"].get("replicas", 1)

    def __repr__(self):
        return f"{self.kind} {self.name}"

    def containers(self):
        """All of them, in the order of their start."""
        return self.spec.get("initContainers", []) + self.spec["containers"]

    def sidecars(self):
        return [container for container in self.spec.get("initContainers", [])
                if container.get("restartPolicy") == "Always"]

    def long_running(self):
        return self.sidecars() + self.spec["containers"]

    def container(self, name):
        return next((one for one in self.containers() if one["name"] == name), None)

    def ports(self):
        """Name (or the number as text) -> number, of all that listen."""
        return {port.get("name", str(port["containerPort"])): port["containerPort"]
                for container in self.long_running() for port in container.get("ports", [])}

    def volumes(self):
        """Name -> definition, claims included."""
        found = {volume["name"]: volume for volume in self.spec.get("volumes", [])}
        for claim in self.owner["spec"].get("volumeClaimTemplates", []):
            found[claim["metadata"]["name"]] = {"name": claim["metadata"]["name"], "claim": claim}
        return found

    def env(self, container_name):
        container = self.container(container_name)
        return {} if container is None else {
            entry["name"]: entry.get("value") for entry in container.get("env", [])}


class World:
    def __init__(self, objects):
        self.objects = objects

    @classmethod
    def of(cls, text):
        return cls([document for document in yaml.safe_load_all(text) if document])

    def copy(self):
        return World(copy.deepcopy(self.objects))

    def of_kind(self, kind):
        return [one for one in self.objects if one["kind"] == kind]

    def get(self, kind, name):
        return next((one for one in self.of_kind(kind) if one["metadata"]["name"] == name), None)

    def starting_with(self, kind, prefix):
        """The one whose name has a hash behind it."""
        return next((one for one in self.of_kind(kind)
                     if one["metadata"]["name"].startswith(prefix)), None)

    def pods(self):
        return [Pod(one) for one in self.objects if one["kind"] in WORKLOADS]

    def pod(self, name):
        return next((pod for pod in self.pods() if pod.name == name), None)

    def gateways(self):
        return [pod for pod in self.pods()
                if pod.labels.get("app.kubernetes.io/component") == "gateway"]

    def selected(self, labels):
        return [pod for pod in self.pods() if labels and labels.items() <= pod.labels.items()]


def matches(selector, labels):
    """A LabelSelector. An empty one matches everything."""
    wanted = selector.get("matchLabels") or {}
    if not wanted.items() <= labels.items():
        return False
    for expression in selector.get("matchExpressions") or []:
        value = labels.get(expression["key"])
        values = expression.get("values", [])
        holds = {"In": value in values, "NotIn": value not in values,
                 "Exists": value is not None, "DoesNotExist": value is None}
        if not holds[expression["operator"]]:
            return False
    return True
