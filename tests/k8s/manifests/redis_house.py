"""The nodes of redis.yaml as processes: the scripts and files of the rendered ConfigMap, the
variables of the rendered StatefulSet, and names that resolve as a headless Service lets them: to
the address of a pod that exists, to none when it is gone, to another when it is back."""

import itertools
import os
import shutil
import subprocess

from harness.ports import ADDRESS
from harness.process import Process, run, wait_until

from manifests.world import World

NODES = 3
PASSWORD = "0123456789abcdef-of-redis"
# Everything waits for these, and the tests with it; what they are is no part of what is tested.
FASTER = {"sentinel down-after-milliseconds quota 5000": "sentinel down-after-milliseconds quota 1000",
          "sentinel failover-timeout quota 30000": "sentinel failover-timeout quota 6000"}

# Each of two test processes side by side has addresses of its own.
_lives = itertools.count(101 if os.environ.get("PYTEST_XDIST_WORKER") == "gw1" else 1)


class Node:
    def __init__(self, house, number):
        self.house = house
        self.number = number
        self.name = f"quota-redis-{number}.quota-redis"
        self.data = house.directory / f"data-{number}"
        self.address = None
        self.processes = {}

    def variables(self, container):
        """As the StatefulSet sets them, with paths and addresses of this machine."""
        found = {}
        for entry in container["env"]:
            found[entry["name"]] = (f"quota-redis-{self.number}" if "valueFrom" in entry
                                    else entry["value"].replace("$(POD_NAME)", found["POD_NAME"]))
        return found | {"QUOTA_REDIS_PASSWORD": str(self.house.password_file),
                        "QUOTA_REDIS_DATA": str(self.data), "QUOTA_REDIS_LISTEN": self.address,
                        "QUOTA_REDIS_RUN": str(self.house.directory / f"run-{self.number}")}

    def start(self):
        # A pod that is back has another address.
        life = next(_lives)
        self.address = f"{ADDRESS.rsplit('.', 1)[0]}.{life}"
        self.house.write_names()
        for name in ("sentinel", "redis"):
            container = self.house.pod.container(name)
            self.processes[name] = Process(
                name, self.house.in_names(self.house.script(container["command"])),
                self.house.directory / f"{name}-{self.number}-{life}.log",
                self.variables(container))
        return self

    def script(self, *command):
        """A probe or hook, in the environment of Redis' container."""
        return run(self.house.in_names(self.house.script(command)),
                   self.variables(self.house.pod.container("redis"))).returncode

    def probe(self, container, kind):
        return self.script(*self.house.pod.container(container)[kind]["exec"]["command"]) == 0

    def is_ready(self):
        return self.probe("redis", "readinessProbe")

    def stop(self):
        """As Kubernetes does: the hook, then SIGTERM."""
        hook = self.house.pod.container("redis")["lifecycle"]["preStop"]["exec"]["command"]
        self.processes["sentinel"].stop()
        code = self.script(*hook)
        self.processes["redis"].stop()
        self._gone()
        return code

    def kill(self):
        for process in self.processes.values():
            process.kill()
        self._gone()

    def _gone(self):
        self.address = None
        self.house.write_names()

    def ask(self, *command, port=6379, password=PASSWORD):
        done = subprocess.run(["redis-cli", "-h", self.address, "-p", str(port), *command],
                              env=os.environ | {"REDISCLI_AUTH": password}, capture_output=True,
                              text=True, timeout=10, check=False)
        return done.stdout.strip()

    def role(self):
        """master, slave, or nothing."""
        if self.address is None:
            return ""
        lines = self.ask("info", "replication").splitlines()
        return next((line.split(":")[1] for line in lines if line.startswith("role:")), "")

    def primary_by_sentinel(self):
        said = self.ask("sentinel", "get-master-addr-by-name", "quota", port=26379)
        return said.splitlines()[0] if said else ""

    def usable_replicas(self):
        """Names of those that this node's Sentinel would promote."""
        found, fields = set(), {}
        lines = self.ask("sentinel", "replicas", "quota", port=26379).splitlines()
        for name, value in zip(lines[::2], lines[1::2]):
            fields[name] = value
            if name == "replica-announced":  # the last of each
                if fields["flags"] == "slave" and fields["master-link-status"] == "ok":
                    found.add(fields["ip"])
                fields = {}
        return found

    def log(self, name):
        return self.processes[name].log()


class House:
    def __init__(self, world: World, directory):
        self.directory = directory
        self.pod = world.pod("quota-redis")
        self.scripts = directory / "scripts"
        self.scripts.mkdir()
        for name, text in world.starting_with("ConfigMap", "quota-redis-scripts")["data"].items():
            for slow, fast in FASTER.items():
                text = text.replace(slow, fast)
            (self.scripts / name).write_text(text)
            (self.scripts / name).chmod(0o755)
        self.password_file = directory / "password"
        self.password_file.write_text(PASSWORD)
        self.names = directory / "hosts"
        self.nodes = [Node(self, number) for number in range(NODES)]
        self.write_names()

    def script(self, command):
        place = "/etc/quota-redis"
        return [word.replace(place, str(self.scripts)) for word in command]

    def write_names(self):
        lines = ["127.0.0.1 localhost"] + [f"{node.address} {node.name}" for node in self.nodes
                                           if node.address]
        # In place: it is mounted.
        with open(self.names, "a+", encoding="utf-8") as file:
            file.truncate(0)
            file.write("\n".join(lines) + "\n")

    def in_names(self, command):
        """The command with our /etc/hosts."""
        return ["unshare", "--mount", "sh", "-c",
                'mount --bind "$0" /etc/hosts && exec "$@"', self.names, *command]

    def start(self, *numbers):
        for number in numbers or range(NODES):
            self.nodes[number].start()
        return self

    def primaries(self):
        return [node for node in self.nodes if node.role() == "master"]

    def settle(self, *numbers, patience=40):
        """Waits until these are one primary and its replicas, and all Sentinels agree. Never may
        there be two primaries that take writes on the way."""
        nodes = [self.nodes[number] for number in numbers or range(NODES)]

        def settled():
            primaries = self.primaries()
            if len(primaries) > 1:
                taking = [node for node in primaries if node.ask("set", "probe", "1") == "OK"]
                assert len(taking) < 2, f"{taking} both take writes"
            if len(primaries) != 1 or not all(node.is_ready() for node in nodes):
                return False
            names = {node.name for node in nodes} - {primaries[0].name}
            return all(node.primary_by_sentinel() == primaries[0].name
                       and node.usable_replicas() == names for node in nodes)
        try:
            wait_until(settled, "one primary, and all agree", patience)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None
        return self.primaries()[0]

    def logs(self):
        return "\n".join(f"== {path.name}\n{path.read_text()[-1500:]}"
                         for path in sorted(self.directory.glob("*.log")))

    def close(self):
        for node in self.nodes:
            for process in node.processes.values():
                process.kill()


def can_have_names():
    """Whether this machine lets a process have an /etc/hosts of its own."""
    return shutil.which("unshare") is not None and run(
        ["unshare", "--mount", "sh", "-c", "mount --bind /etc/hosts /etc/hosts"]).returncode == 0
