"""A fake cluster for one test, and the scripts run against it."""

import base64
import json
import os
import pathlib
import pty
import shutil
import subprocess

import fake_cluster

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
BUILD_DIR = pathlib.Path(os.environ.get("QUOTA_BUILD_DIR", REPO / "build" / "release"))
OWN_SECRETS = {"kong-postgres": "password", "quota-redis": "password", "quotad-admin": "token"}


class FakeCluster:
    """`faults` that can be set, each until it is taken out again:

    api_down, client_minor, server_minor, missing_kinds [kinds], forbidden ["verb what", Kind],
    no_metrics_server, hang [verbs], apply_fails [names], pvc_pending [StatefulSets],
    job_failed and job_runs_forever [Jobs], rollout_stuck and gave_up [Deployments],
    exec_fails {number of the pod in its Deployment: how many times}, no_quorum, store_down,
    token_refused, deaf_kubelet [numbers of pods], stale_endpoints {Service: selector}."""

    def __init__(self, directory):
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir()
        (self.bin / "kubectl").write_text(f'#!/bin/sh\nexec {HERE}/kubectl "$@"\n')
        (self.bin / "kubectl").chmod(0o755)
        (directory / "calls.jsonl").write_text("")
        (directory / "jwt.key").write_text("a-key-of-thirty-two-characters-or-more\n")
        self.save(fake_cluster.new_cluster())
        self.put("StorageClass", "standard", metadata={"annotations": {
            "storageclass.kubernetes.io/is-default-class": "true"}})
        self.put("Node", "node-1", status={"nodeInfo": {"kubeletVersion": "v1.31.4"}})
        self.output = ""

    # -- The state

    def load(self):
        return json.loads((self.directory / "state.json").read_text())

    def save(self, state):
        (self.directory / "state.json").write_text(json.dumps(state))

    def set(self, **faults):
        state = self.load()
        state["faults"].update(faults)
        self.save(state)

    def heal(self):
        state = self.load()
        state["faults"] = {}
        fake_cluster.Cluster(state).reconcile_all()
        self.save(state)

    def put(self, kind, name, metadata=None, **fields):
        state = self.load()
        state["objects"][f"{kind}/{name}"] = {
            "kind": kind, "metadata": {"name": name, **(metadata or {})}, **fields}
        self.save(state)

    def remove(self, kind, name):
        state = self.load()
        del state["objects"][f"{kind}/{name}"]
        self.save(state)

    def get(self, kind, name):
        return self.load()["objects"].get(f"{kind}/{name}")

    def names(self, kind):
        return [thing["metadata"]["name"] for thing in self.load()["objects"].values()
                if thing["kind"] == kind]

    def gateways(self):
        return sorted(self.load()["quotads"])

    def secret(self, name):
        (value,) = self.get("Secret", name)["data"].values()
        return base64.b64decode(value).decode()

    def modes(self):
        state = self.load()
        return {pod: quotad["mode"] or state["shared_mode"] or "policy"
                for pod, quotad in state["quotads"].items()}

    # -- The calls

    def calls(self):
        return [json.loads(line) for line in
                (self.directory / "calls.jsonl").read_text().splitlines()]

    def changes(self):
        return [" ".join(call["argv"]) for call in self.calls() if call["changing"]]

    def forget_calls(self):
        (self.directory / "calls.jsonl").write_text("")

    def run(self, script, *words, terminal=subprocess.DEVNULL, environment=None):
        done = subprocess.run(
            [REPO / "scripts" / script, *words], text=True, check=False, timeout=120,
            capture_output=True, stdin=terminal,
            env={**os.environ, **self.environment(), **(environment or {})})
        self.output += done.stdout + done.stderr
        return done

    def start(self, script, *words):
        return subprocess.Popen(
            [REPO / "scripts" / script, *words], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **self.environment()})

    def tools(self):
        """A directory with the programs that the scripts need, and no kubectl."""
        directory = self.directory / "tools"
        directory.mkdir()
        for name in ("bash timeout base64 awk sed gzip sha256sum od dirname basename mktemp rm cat "
                     "env").split():
            (directory / name).symlink_to(shutil.which(name, path="/usr/bin:/bin"))
        return directory

    def environment(self):
        return {"PATH": f"{self.bin}:/usr/bin:/bin", "FAKE_CLUSTER": str(self.directory),
                "FAKE_QUOTACTL": str(BUILD_DIR / "quotactl"), "QUOTA_POLL_INTERVAL": "0.1",
                "TMPDIR": str(self.directory), "QUOTACTL": "/nowhere/quotactl"}

    def run_on_terminal(self, script, *words, answer):
        """Answers the question that the script asks of a person."""
        master, slave = pty.openpty()
        os.write(master, f"{answer}\n".encode())
        try:
            return self.run(script, *words, terminal=slave)
        finally:
            os.close(slave)
            os.close(master)

    # -- The scripts

    def deploy(self, *words, overlay="full", **more):
        return self.run("deploy.sh", "--overlay", self.overlay(overlay), *words, **more)

    def deployed(self, *words, **more):
        done = self.deploy("--yes", *words, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def overlay(self, name):
        """A copy that the test may change."""
        copy = self.directory / "overlays" / name
        if not copy.exists():
            shutil.copytree(HERE / "overlays" / name, copy)
        return str(copy)

    def edit(self, overlay, file, old, new):
        path = pathlib.Path(self.overlay(overlay)) / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def assert_no_secret_was_shown(self):
        shown = self.output + "".join(" ".join(call["argv"]) for call in self.calls())
        for name in set(OWN_SECRETS) & set(self.names("Secret")):
            secret = self.secret(name)
            assert len(secret) >= 16
            assert secret not in shown
            assert base64.b64encode(secret.encode()).decode() not in shown
