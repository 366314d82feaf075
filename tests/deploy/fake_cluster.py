"""The cluster of the fake kubectl: its objects, and what its controllers and kubelets make of them.

Everything is a plain dictionary that is kept as JSON between two calls of kubectl. `faults` says
what goes wrong; tests/deploy/cluster.py lists them."""

import base64
import copy
import json
import zlib

KINDS = {kind.lower(): kind for kind in (
    "Namespace Secret ConfigMap Service ServiceAccount Pod Node Job Deployment StatefulSet "
    "PersistentVolumeClaim StorageClass NetworkPolicy EndpointSlice HorizontalPodAutoscaler "
    "PodDisruptionBudget PodMonitor ServiceMonitor PrometheusRule ScaledObject Role RoleBinding "
    "TriggerAuthentication Event CustomResourceDefinition").split()}
GROUPS = {"Deployment": "apps", "StatefulSet": "apps", "Job": "batch",
          "NetworkPolicy": "networking.k8s.io", "PodMonitor": "monitoring.coreos.com",
          "ServiceMonitor": "monitoring.coreos.com", "PrometheusRule": "monitoring.coreos.com",
          "ScaledObject": "keda.sh", "TriggerAuthentication": "keda.sh"}


def kind_of(word):
    """pod, pods, storageclasses, networkpolicies: the kind."""
    word = word.lower()
    for candidate in (word, word[:-1], word[:-2], word[:-3] + "y"):
        if candidate in KINDS:
            return KINDS[candidate]
    return word


def full_name(thing):
    kind = thing["kind"]
    group = GROUPS.get(kind)
    return f"{kind.lower()}{'.' + group if group else ''}/{thing['metadata']['name']}"


def new_cluster():
    return {"objects": {}, "faults": {}, "pods_made": 0, "quotads": {}, "shared_mode": None,
            "reloads": [], "embedded": False, "job_runs": [], "revisions": {}, "admin": {}}


def key(kind, name):
    return f"{kind}/{name}"


class Cluster:
    def __init__(self, state):
        self.state = state
        self.objects = state["objects"]
        self.faults = state["faults"]

    def get(self, kind, name):
        return self.objects.get(key(kind, name))

    def all(self, kind):
        return [thing for thing in self.objects.values() if thing["kind"] == kind]

    # -- Writing

    def apply(self, wanted):
        """created, configured or unchanged."""
        wanted = copy.deepcopy(wanted)
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        self._admit(wanted)
        old = self.get(kind, name)
        if old is None:
            self._put(wanted)
            return "created"
        if kind == "Job" and old["spec"] != wanted["spec"]:
            raise Refused(f'The Job "{name}" is invalid: spec.template: field is immutable')
        new = {**old, **{field: value for field, value in wanted.items() if field != "metadata"}}
        new["metadata"] = {**old["metadata"], **{
            field: {**old["metadata"].get(field, {}), **value} if isinstance(value, dict) else value
            for field, value in wanted["metadata"].items()}}
        if "replicas" in old.get("spec", {}) and "replicas" not in wanted.get("spec", {}):
            new["spec"]["replicas"] = old["spec"]["replicas"]
        if new == old:
            return "unchanged"
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
        self.objects[key(kind, name)] = new
        self.reconcile(new)
        return "configured"

    def create(self, wanted):
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        self._admit(wanted)
        if self.get(kind, name):
            raise Refused(f'Error from server (AlreadyExists): {kind.lower()} "{name}" already '
                          "exists")
        self._put(copy.deepcopy(wanted))

    def delete(self, kind, name):
        thing = self.objects.pop(key(kind, name), None)
        if thing is None:
            raise Refused(f'Error from server (NotFound): {kind.lower()} "{name}" not found')
        if kind == "Deployment":
            for pod in self.pods_of(name):
                self.remove_pod(pod)

    def _admit(self, thing):
        name = thing["metadata"]["name"]
        if name in self.faults.get("apply_fails", []):
            raise Refused(f'Error from server (Forbidden): {thing["kind"]} "{name}" is forbidden: '
                          "exceeded quota")

    def _put(self, thing):
        if thing["kind"] == "Secret":
            data = thing.setdefault("data", {})
            for field, value in thing.pop("stringData", {}).items():
                data[field] = base64.b64encode(value.encode()).decode()
        thing["metadata"].setdefault("generation", 1)
        thing["metadata"]["creationTimestamp"] = "2026-11-27T12:00:00Z"
        self.objects[key(thing["kind"], thing["metadata"]["name"])] = thing
        self.reconcile(thing)

    # -- What controllers do

    def reconcile_all(self):
        """What is noticed when a fault has gone."""
        for thing in list(self.objects.values()):
            conditions = thing.get("status", {}).get("conditions")
            if thing["kind"] in ("Deployment", "StatefulSet"):
                self.reconcile(thing)
            elif thing["kind"] == "Job" and conditions == []:
                conditions.append({"type": "Complete", "status": "True"})

    def reconcile(self, thing):
        action = {"Deployment": self._deployment, "StatefulSet": self._stateful_set,
                  "Job": self._job, "Service": self._service}.get(thing["kind"])
        if action:
            action(thing)

    def _pod(self, owner, name, ready=True):
        template = copy.deepcopy(owner["spec"]["template"])
        pod = {"kind": "Pod", "metadata": {**template.get("metadata", {}), "name": name,
                                           "owner": owner["metadata"]["name"]},
               "spec": template["spec"],
               "status": {"phase": "Running" if ready else "Pending", "conditions": [
                   {"type": "Ready", "status": "True" if ready else "False"}]}}
        if not ready:
            pod["status"]["containerStatuses"] = [
                {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
        self.objects[key("Pod", name)] = pod
        if any(c["name"] == "quotad" for c in pod["spec"].get("initContainers", [])):
            self.state["quotads"][name] = {"mode": None, "policy": self.policy()}
        return pod

    def remove_pod(self, pod):
        name = pod["metadata"]["name"]
        self.objects.pop(key("Pod", name))
        self.state["quotads"].pop(name, None)

    def pods_of(self, owner):
        return [pod for pod in self.all("Pod") if pod["metadata"].get("owner") == owner]

    def _deployment(self, thing):
        name = thing["metadata"]["name"]
        template = f'{zlib.crc32(json.dumps(thing["spec"]["template"], sort_keys=True).encode()):x}'
        wanted = thing["spec"].get("replicas", 1)
        old = [pod for pod in self.pods_of(name) if pod["metadata"].get("template") != template]
        kept = [pod for pod in self.pods_of(name) if pod["metadata"].get("template") == template]
        stuck = name in self.faults.get("rollout_stuck", [])
        if stuck:
            wanted = max(1, len(kept))
        for number in range(len(kept), wanted):
            pod = self._pod(thing, f"{name}-{template}-{number}", ready=not stuck)
            pod["metadata"]["template"] = template
        for pod in kept[wanted:] + ([] if stuck else old):
            self.remove_pod(pod)
        total = len(self.pods_of(name))
        thing["status"] = {
            "observedGeneration": thing["metadata"]["generation"], "replicas": total,
            "updatedReplicas": wanted, "conditions": [],
            # Pods become ready one by one, with each look at them.
            "availableReplicas": 0 if not stuck else total - wanted}
        if name in self.faults.get("gave_up", []):
            thing["status"]["conditions"] = [
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]

    def look(self, thing):
        """Time goes by between two looks at a thing."""
        name = thing["metadata"]["name"]
        status = thing.get("status", {})
        if thing["kind"] == "Deployment" and name not in self.faults.get("rollout_stuck", []):
            status["availableReplicas"] = min(thing["spec"].get("replicas", 1),
                                              status["availableReplicas"] + 2)

    def _stateful_set(self, thing):
        name = thing["metadata"]["name"]
        pending = name in self.faults.get("pvc_pending", [])
        wanted = thing["spec"].get("replicas", 1)
        ready = 0 if pending else wanted
        for number in range(1 if pending else wanted):
            for claim in thing["spec"].get("volumeClaimTemplates", []):
                volume = f"{claim['metadata']['name']}-{name}-{number}"
                self.objects[key("PersistentVolumeClaim", volume)] = {
                    "kind": "PersistentVolumeClaim", "metadata": {"name": volume},
                    "status": {"phase": "Pending" if pending else "Bound"}}
            self._pod(thing, f"{name}-{number}", ready=not pending)
        thing["status"] = {"observedGeneration": thing["metadata"]["generation"],
                           "replicas": wanted, "updatedReplicas": ready,
                           "availableReplicas": ready}

    def _job(self, thing):
        name = thing["metadata"]["name"]
        self.state["job_runs"].append(name)
        if name in self.faults.get("job_failed", []):
            state = [{"type": "Failed", "status": "True"}]
        elif name in self.faults.get("job_runs_forever", []):
            state = []
        else:
            state = [{"type": "Complete", "status": "True"}]
        thing["status"] = {"conditions": state}

    def _service(self, thing):
        if thing["spec"].get("type") == "LoadBalancer":
            thing["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}}

    def endpoint_slices(self):
        slices = []
        for service in self.all("Service"):
            name = service["metadata"]["name"]
            selector = service["spec"].get("selector", {})
            if name in self.faults.get("stale_endpoints", {}):
                selector = self.faults["stale_endpoints"][name]
            pods = [pod for pod in self.all("Pod")
                    if selector and selector.items() <= pod["metadata"].get("labels", {}).items()]
            slices.append({
                "kind": "EndpointSlice",
                "metadata": {"name": f"{name}-x", "labels": {"kubernetes.io/service-name": name}},
                "endpoints": [{"targetRef": {"name": pod["metadata"]["name"]}} for pod in pods]})
        return slices

    # -- What kubelets do

    def policy(self):
        config = self.get("ConfigMap", "quota-policy")
        return config and config["data"]["policy.yaml"]

    def refresh(self, pod):
        """A changed pod makes kubelet look at what is mounted."""
        name = pod["metadata"]["name"]
        deaf = name.rpartition("-")[2] in self.faults.get("deaf_kubelet", [])
        if name in self.state["quotads"] and not deaf:
            self.state["quotads"][name]["policy"] = self.policy()


class Refused(Exception):
    """What the API server says instead of doing it."""
