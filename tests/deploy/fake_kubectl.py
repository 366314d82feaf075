"""The commands of the fake kubectl, as far as the scripts use them."""

import fcntl
import json
import os
import signal
import sys

import fake_exec
import fake_paths
from fake_cluster import Cluster, Refused, full_name, kind_of

WITH_VALUE = {"-n", "--namespace", "-o", "-l", "-f", "-c", "-p", "--type", "--sort-by"}
CHANGING = {"apply", "create", "patch", "label", "annotate", "delete", "scale", "rollout",
            "replace"}
SERVER_SIDE = {"get", "apply", "create", "patch", "label", "annotate", "delete", "exec", "auth",
               "api-resources", "api-versions"}


def parse(argv):
    """(words, options, words after --)"""
    words, options, rest = [], {}, []
    items = iter(argv)
    for item in items:
        if item == "--":
            rest = list(items)
        elif item in WITH_VALUE:
            options[item] = next(items)
        elif item.startswith("-") and item != "-":
            name, _, value = item.partition("=")
            options[name] = value
        else:
            words.append(item)
    return words, options, rest


def is_changing(words, options, rest):
    if words[0] == "exec":
        return rest[0] == "sh" and "redis-cli" not in rest[2]
    return words[0] in CHANGING and "--local" not in options


def main(argv):
    directory = os.environ["FAKE_CLUSTER"]
    words, options, rest = parse(argv)
    with open(directory + "/lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(directory + "/calls.jsonl", "a", encoding="utf-8") as calls:
            calls.write(json.dumps({"argv": argv, "changing": is_changing(words, options, rest)})
                        + "\n")
        with open(directory + "/state.json", encoding="utf-8") as file:
            state = json.load(file)
        cluster = Cluster(state)
        if words[0] in cluster.faults.get("hang", []):
            fcntl.flock(lock, fcntl.LOCK_UN)
            signal.pause()
        if words[0] == "exec" and words[1] in state["admin"] and options["-c"] == "quotad":
            fcntl.flock(lock, fcntl.LOCK_UN)  # a real quotad takes the time that it takes
            return fake_exec.real_quotactl(state["admin"][words[1]], rest)
        try:
            code = Command(cluster, words, options, rest).run()
        except Refused as refused:
            print(refused, file=sys.stderr)
            code = 1
        with open(directory + "/state.json", "w", encoding="utf-8") as file:
            json.dump(state, file)
    return code


class Command:
    def __init__(self, cluster, words, options, rest):
        self.cluster, self.words, self.options, self.rest = cluster, words, options, rest

    def run(self):
        verb = self.words[0]
        if self.cluster.faults.get("api_down") and verb in SERVER_SIDE and \
                "--local" not in self.options:
            raise Refused("The connection to the server 192.0.2.1:6443 was refused - did you "
                          "specify the right host or port?")
        return getattr(self, verb.replace("-", "_"))() or 0

    # -- Asking

    def version(self):
        faults = self.cluster.faults
        said = {"clientVersion": {"major": "1", "minor": str(faults.get("client_minor", 32))}}
        if not faults.get("api_down"):
            said["serverVersion"] = {"major": "1", "minor": f"{faults.get('server_minor', 31)}+"}
        print(json.dumps(said, indent=2))
        if faults.get("api_down"):
            raise Refused("The connection to the server 192.0.2.1:6443 was refused - did you "
                          "specify the right host or port?")

    def config(self):
        print("fake-context")

    def auth(self):
        wanted = " ".join(self.words[2:])
        allowed = wanted not in self.cluster.faults.get("forbidden", [])
        print("yes" if allowed else "no")
        return 0 if allowed else 1

    def api_resources(self):
        group = self.options["--api-group"]
        known = {"monitoring.coreos.com": ["PodMonitor", "ServiceMonitor", "PrometheusRule"],
                 "keda.sh": ["ScaledObject", "TriggerAuthentication"]}.get(group, [])
        for kind in known:
            if kind not in self.cluster.faults.get("missing_kinds", []):
                print(f"{kind.lower()}s   {group}/v1   true   {kind}")

    def api_versions(self):
        print("apps/v1\nbatch/v1\nv1")
        if not self.cluster.faults.get("no_metrics_server"):
            print("metrics.k8s.io/v1beta1")

    def kustomize(self):
        real = os.environ.get("FAKE_REAL_KUBECTL")
        if real:
            import subprocess
            return subprocess.run([real, "kustomize", self.words[1]], check=False).returncode
        import fake_yaml
        print("---\n".join(fake_yaml.dump(thing) for thing in fake_yaml.kustomize(self.words[1])),
              end="")
        return 0

    def get(self):
        if "-f" in self.options:
            things = []
            for wanted in self.files():
                thing = self.cluster.get(wanted["kind"], wanted["metadata"]["name"])
                if thing is None and "--ignore-not-found" not in self.options:
                    raise Refused(f'Error from server (NotFound): {wanted["kind"]} '
                                  f'"{wanted["metadata"]["name"]}" not found')
                things += [thing] if thing else []
        else:
            things = self.named()
        for thing in things:
            self.cluster.look(thing)
        self.show(things)

    def named(self):
        kind = kind_of(self.words[1])
        if kind in self.cluster.faults.get("forbidden", []):
            raise Refused(f"Error from server (Forbidden): {self.words[1]} is forbidden")
        if len(self.words) > 2:
            things = [self.cluster.get(kind, name) for name in self.words[2:]]
            if None in things:
                if "--ignore-not-found" in self.options:
                    return [thing for thing in things if thing]
                raise Refused(f'Error from server (NotFound): {self.words[1]} "{self.words[2]}" '
                              "not found")
            return things
        things = self.cluster.endpoint_slices() if kind == "EndpointSlice" else \
            self.cluster.all(kind)
        return [thing for thing in things
                if fake_paths.selected(self.options.get("-l", ""), thing)]

    def show(self, things):
        form = self.options.get("-o", "name")
        style, _, template = form.partition("=")
        if style == "custom-columns":
            print("\n".join(fake_paths.columns(template, things)), end="\n" if things else "")
        elif style == "jsonpath":
            print("".join(fake_paths.jsonpath(template, thing) for thing in things), end="")
        elif style == "go-template":
            for thing in things:  # the one template that is used
                field = template.split('"')[1]
                print(("has " if field in thing.get("data", {}) else "") + "exists", end="")
        elif style == "yaml":
            import fake_yaml
            for thing in things:
                print(fake_yaml.dump(thing), end="")
        else:
            print("\n".join(full_name(thing) for thing in things), end="\n" if things else "")

    # -- Changing

    def files(self):
        import fake_yaml
        if self.options["-f"] == "-":
            return fake_yaml.load_all(sys.stdin.read())
        with open(self.options["-f"], encoding="utf-8") as file:
            return fake_yaml.load_all(file.read())

    def apply(self):
        for wanted in self.files():
            print(f"{full_name(wanted)} {self.cluster.apply(wanted)}")

    def create(self):
        if "-f" in self.options:
            things = self.files()
        else:
            things = [{"kind": kind_of(self.words[1]), "metadata": {"name": self.words[2]}}]
        for wanted in things:
            self.cluster.create(wanted)
            print(f"{full_name(wanted)} created")

    def delete(self):
        if "/" in self.words[1]:
            targets = [(kind_of(word.split("/")[0]), word.split("/")[1]) for word in self.words[1:]]
        else:
            targets = [(kind_of(self.words[1]), name) for name in self.words[2:]]
        for kind, name in targets:
            if self.cluster.get(kind, name) or "--ignore-not-found" not in self.options:
                self.cluster.delete(kind, name)
                print(f'{kind.lower()} "{name}" deleted')

    def _marked(self, field):
        names = [word for word in self.words[2:] if "=" not in word and not word.endswith("-")]
        things = self.files() if "--local" in self.options else \
            [self.cluster.get(kind_of(self.words[1]), name) for name in names]
        marks = [word for word in self.words[1:] if "=" in word or word.endswith("-")]
        for thing in things:
            if thing is None:
                raise Refused(f"Error from server (NotFound): {self.words[1:]} not found")
            held = thing["metadata"].setdefault(field, {})
            for mark in marks:
                name, equals, value = mark.partition("=")
                if not equals:
                    held.pop(name[:-1], None)
                elif name in held and held[name] != value and "--overwrite" not in self.options:
                    raise Refused(f"error: --overwrite is false but found {name}")
                else:
                    held[name] = value
        return things

    def annotate(self):
        things = self._marked("annotations")
        if "--local" in self.options:
            self.show(things)
            return
        for thing in things:
            if thing["kind"] == "Pod":
                self.cluster.refresh(thing)

    def label(self):
        self._marked("labels")

    def patch(self):
        thing = self.cluster.get(kind_of(self.words[1]), self.words[2])
        patch = json.loads(self.options["-p"])
        if self.options["--type"] == "json":
            for step in patch:
                *path, last = step["path"].strip("/").split("/")
                place = thing
                for part in path:
                    place = place[part]
                place[last] = step["value"]
        else:
            merge(thing, patch)
        print(f"{full_name(thing)} patched")

    # -- Inside of pods

    def exec(self):
        name = self.words[1]
        pod = self.cluster.get("Pod", name)
        if pod is None:
            raise Refused(f'Error from server (NotFound): pods "{name}" not found')
        times = self.cluster.faults.get("exec_fails", {})
        ordinal = name.rpartition("-")[2]
        if times.get(ordinal):
            times[ordinal] -= 1
            raise Refused("error: unable to upgrade connection: container not found")
        return fake_exec.run(self.cluster, pod, self.options["-c"], self.rest)


def merge(thing, patch):
    for field, value in patch.items():
        if isinstance(value, dict):
            merge(thing.setdefault(field, {}), value)
        elif value is None:
            thing.pop(field, None)
        else:
            thing[field] = value
