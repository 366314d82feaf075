"""Real Redis servers: one, three with their Sentinels, a cluster of six. Each keeps its files in
the test's directory and listens where nobody else does."""

import contextlib
import functools
import shutil
import signal
import threading

import redis

from harness import environment
from harness.ports import ADDRESS, free_port
from harness.process import Process, wait_until

SLOTS = 16384

# The servers answer from memory. One that a test has stopped must not stop the test.
_CLIENT = {"socket_timeout": 5, "socket_connect_timeout": 5, "decode_responses": True}


@functools.lru_cache(maxsize=None)
def key_slot(key):
    """The cluster slot of a key, by its hash tag if it has one."""
    start = key.find("{")
    end = key.find("}", start + 1)
    tag = key[start + 1:end] if 0 <= start < end - 1 else key
    crc = 0
    for byte in tag.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc % SLOTS


def _outlived_by_nobody(argv):
    """The system ends the process when this one is gone, however that happened. The system looks at
    the thread that started the process, so this helps only in the thread that lives longest."""
    setpriv = shutil.which("setpriv")
    if setpriv and threading.current_thread() is threading.main_thread():
        return [setpriv, "--pdeathsig", "KILL", *argv]
    return argv


class RedisServer:
    """One redis-server. Listens on a unix socket, and with `tcp` on a port of the loopback as well.

    `password` is what everybody must give, or only the ACL user `user` if one is named.
    `settings` are lines of redis.conf and win over everything said here."""

    def __init__(self, workdir, *, name="redis", tcp=False, password=None, user=None,
                 policy="noeviction", appendonly=False, database=0, settings=()):
        self.directory = workdir / name
        self.directory.mkdir()
        self.socket_path = self.directory / "redis.sock"
        self.host = ADDRESS
        self.port = free_port() if tcp else 0
        self.password = password
        self.user = user
        self.database = database
        self.process = None
        self._paused = False
        self._clients = []
        lines = [f"dir {self.directory}", f"unixsocket {self.socket_path}", f"port {self.port}",
                 f"bind {self.host}", "protected-mode no", "daemonize no", 'save ""',
                 f"maxmemory-policy {policy}", "enable-debug-command yes",
                 # What is written survives the process; a busy disk is no part of these tests.
                 f"appendonly {'yes' if appendonly else 'no'}", "appendfsync no",
                 "auto-aof-rewrite-percentage 0"]
        if user:
            lines += [f"user {user} on >{password} ~* &* +@all", "user default off"]
        elif password:
            lines.append(f"requirepass {password}")
        self._lines = lines + list(settings)

    # -- life

    def launch(self):
        (self.directory / "redis.conf").write_text("\n".join(self._lines) + "\n")
        self.process = Process(
            "redis-server",
            _outlived_by_nobody([environment.program("redis-server"),
                                 self.directory / "redis.conf", *self._arguments()]),
            self.directory / "redis.log")
        return self

    def _arguments(self):
        return []

    def start(self):
        self.launch()
        wait_until(lambda: not self.process.is_running() or self._answers(), "Redis answers")
        assert self.process.is_running(), f"Redis did not start:\n{self.process.log()}"
        return self

    def _answers(self):
        try:
            return self.client().ping()
        except redis.exceptions.RedisError:  # also while it loads its files
            return False

    def pause(self):
        """It keeps its connections and accepts new ones, and answers nothing."""
        self.process.send(signal.SIGSTOP)
        self._paused = True
        # The signal is on its way until the process says that it has stopped.
        wait_until(lambda: _state_of(self.process.pid) == "T", "Redis is stopped")

    def resume(self):
        self._paused = False
        self.process.send(signal.SIGCONT)

    def kill9(self):
        self._forget_clients()
        self.process.kill()

    def restart(self, empty=False):
        """Comes back with what it has on disk, or with nothing; waits until it answers."""
        if self.process is not None and self.process.is_running():
            self.kill9()
        if empty:
            shutil.rmtree(self.directory / "appendonlydir", ignore_errors=True)
            for path in self.directory.glob("*.rdb"):
                path.unlink()
        return self.start()

    def restart_from_snapshot(self):
        """Comes back with what client().save() has saved, whatever was written since."""
        if self.process.is_running():
            self.kill9()
        shutil.rmtree(self.directory / "appendonlydir", ignore_errors=True)
        # With a log it would look for that, and for nothing else.
        self._lines.append("appendonly no")
        return self.start()

    def stop(self):
        if self.process is None:
            return
        self._forget_clients()
        self.process.kill()
        self.process = None

    kill = stop

    # -- addresses

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def credentials(self):
        return f"{self.user or ''}:{self.password}@" if self.password else ""

    @property
    def url(self):
        """As --store takes it, with the user but without the password."""
        user = f"{self.user}@" if self.user else ""
        database = f"/{self.database}" if self.database else ""
        if self.port:
            return f"redis://{user}{self.address}{database}"
        assert not user, "a user needs tcp: the URL of a unix socket names none"
        return f"redis+unix://{self.socket_path}" + (f"?db={self.database}" if database else "")

    @property
    def endpoint(self):
        """For SlowProxy: where it listens."""
        return self.address if self.port else str(self.socket_path)

    # -- questions

    def client(self):
        """A redis.Redis over the unix socket, with the password."""
        if not self._clients:
            self._clients.append(redis.Redis(
                unix_socket_path=str(self.socket_path), db=self.database,
                username=self.user, password=self.password, **_CLIENT))
        return self._clients[0]

    def _forget_clients(self):
        for client in self._clients:
            with contextlib.suppress(redis.exceptions.RedisError):
                client.close()
        self._clients.clear()

    def script_calls(self):
        """How many EVALSHA and EVAL this server has carried out since it started."""
        stats = self.client().info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))

    def cpu_seconds(self):
        info = self.client().info("cpu")
        return info["used_cpu_sys_main_thread"] + info["used_cpu_user_main_thread"]


def _state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


class _Group:
    """Several servers that start and end together."""

    def __init__(self):
        self.servers = []

    def stop(self):
        for server in self.servers:
            server.stop()

    kill = stop


# -- Sentinel


class _Sentinel(RedisServer):
    def __init__(self, workdir, name, primary, settings):
        super().__init__(workdir, name=name, tcp=True)
        self._lines = [f"dir {self.directory}", f"port {self.port}", f"bind {self.host}",
                       f"unixsocket {self.socket_path}", "protected-mode no",
                       f"sentinel announce-ip {self.host}",
                       f"sentinel monitor {SentinelSet.MASTER} {primary.host} {primary.port} 2",
                       *settings]

    def _arguments(self):
        return ["--sentinel"]


class SentinelSet(_Group):
    """One primary, two replicas and three Sentinels, which take a second to see a primary dead."""

    MASTER = "quota"

    def __init__(self, workdir, *, password=None, down_after_ms=500, failover_timeout_ms=2000):
        super().__init__()
        self.password = password
        common = [f"replica-announce-ip {ADDRESS}", "repl-diskless-sync yes",
                  "repl-diskless-sync-delay 0", "repl-ping-replica-period 1",
                  # A primary that is cut off from its replicas stops taking writes.
                  "repl-timeout 5"]
        if password:
            common.append(f"masterauth {password}")
        first = RedisServer(workdir, name="redis-1", tcp=True, password=password, settings=common)
        replica = [*common, f"replicaof {ADDRESS} {first.port}"]
        self.servers = [first] + [
            RedisServer(workdir, name=f"redis-{number}", tcp=True, password=password,
                        settings=replica) for number in (2, 3)]
        watching = [f"sentinel down-after-milliseconds {self.MASTER} {down_after_ms}",
                    f"sentinel failover-timeout {self.MASTER} {failover_timeout_ms}",
                    f"sentinel parallel-syncs {self.MASTER} 2"]
        if password:
            watching.append(f"sentinel auth-pass {self.MASTER} {password}")
        self.sentinels = [_Sentinel(workdir, f"sentinel-{number}", first, watching)
                          for number in (1, 2, 3)]

    def start(self):
        for server in self.servers:
            server.launch()
        for server in self.servers[1:]:
            wait_until(lambda server=server: _replicates(server), "a replica follows its primary")
        for sentinel in self.sentinels:
            sentinel.launch()
        for sentinel in self.sentinels:
            wait_until(lambda sentinel=sentinel: self._knows_all(sentinel),
                       "a Sentinel knows primary, replicas and the other Sentinels")
        return self

    def _knows_all(self, sentinel):
        try:
            master = sentinel.client().sentinel_master(self.MASTER)
        except redis.exceptions.RedisError:
            return False
        return (int(master["num-slaves"]) == 2 and int(master["num-other-sentinels"]) == 2
                and not master["is_sdown"])

    def primary(self):
        """The server that most Sentinels take for the primary; None while they disagree."""
        votes = []
        for sentinel in self.sentinels:
            try:
                votes.append(sentinel.client().sentinel_get_master_addr_by_name(self.MASTER))
            except redis.exceptions.RedisError:
                pass
        for server in self.servers:
            if votes.count((server.host, server.port)) >= 2:
                return server
        return None

    def wait_for_failover(self, old):
        """Returns the new primary, once it takes writes."""
        def promoted():
            new = self.primary()
            return new if new not in (None, old) and role(new) == "master" else None
        return wait_until(promoted, "a replica is promoted")

    @property
    def url(self):
        hosts = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"redis-sentinel://{hosts}/{self.MASTER}"

    def stop(self):
        for sentinel in self.sentinels:
            sentinel.stop()
        super().stop()

    kill = stop


def role(server):
    """Its own view; None while it cannot be asked."""
    try:
        return server.client().role()[0]
    except redis.exceptions.RedisError:
        return None


def _replicates(server):
    try:
        return server.client().info("replication").get("master_link_status") == "up"
    except redis.exceptions.RedisError:
        return False


# -- Cluster


class ClusterSet(_Group):
    """Three masters with a replica each."""

    def __init__(self, workdir, *, password=None, node_timeout_ms=1000):
        super().__init__()
        self.password = password
        self._ids = {}
        for number in range(6):
            server = RedisServer(workdir, name=f"node-{number}", tcp=True, password=password)
            server.bus_port = free_port()
            server._lines += [  # pylint: disable=protected-access
                "cluster-enabled yes", f"cluster-node-timeout {node_timeout_ms}",
                f"cluster-port {server.bus_port}", f"cluster-announce-ip {server.host}",
                f"replica-announce-ip {server.host}", "repl-diskless-sync yes",
                "repl-diskless-sync-delay 0", "repl-ping-replica-period 1",
                "cluster-migration-barrier 2", "cluster-replica-validity-factor 0",
                *([f"masterauth {password}"] if password else [])]
            self.servers.append(server)

    def start(self):
        for server in self.servers:
            server.launch()
        for server in self.servers:
            wait_until(server._answers, "a node answers")  # pylint: disable=protected-access
        masters = self.servers[:3]
        borders = [SLOTS * part // 3 for part in range(4)]
        for number, server in enumerate(self.servers):
            server.client().execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for number, server in enumerate(masters):
            server.client().execute_command("CLUSTER ADDSLOTSRANGE", borders[number],
                                            borders[number + 1] - 1)
        for server in self.servers[1:]:
            first = self.servers[0]
            server.client().execute_command("CLUSTER MEET", first.host, first.port,
                                            first.bus_port)
        for server in self.servers:
            wait_until(lambda server=server: _known_nodes(server) == 6, "all nodes know each other")
        self._ids = {server: server.client().execute_command("CLUSTER MYID")
                     for server in self.servers}
        for replica, master in zip(self.servers[3:], masters):
            replica.client().execute_command("CLUSTER REPLICATE", self._ids[master])
        for replica in self.servers[3:]:
            wait_until(lambda replica=replica: _replicates(replica), "a replica follows its master")
        for server in self.servers:
            wait_until(lambda server=server: self._is_settled(server), "the cluster is ready")
        return self

    def _is_settled(self, server):
        """Sees all slots served, and a replica with each master."""
        if server.client().execute_command("CLUSTER INFO").get("cluster_state") != "ok":
            return False
        slots = server.client().execute_command("CLUSTER SLOTS")
        return len(slots) == 3 and all(
            len(_replicas_of(server, self._ids[master])) == 1 for master in self.servers[:3])

    @property
    def url(self):
        # Not all of them: the others are to be found.
        return "redis-cluster://" + ",".join(server.address for server in self.servers[:2])

    def owner(self, slot, seen_by=None):
        """The master that serves a slot, as a node that lives sees it; None if nobody does."""
        for server in [seen_by] if seen_by else self.servers:
            if server.process is None or not server.process.is_running():
                continue
            try:
                nodes = server.client().execute_command("CLUSTER NODES")
            except redis.exceptions.RedisError:
                continue
            for address, node in nodes.items():
                if "fail" in node["flags"].split(",") or not node["slots"]:
                    continue
                if any(int(part[0]) <= slot <= int(part[-1]) for part in node["slots"]):
                    return self._server_at(address)
        return None

    def _server_at(self, address):
        port = int(address.split("@")[0].rsplit(":", 1)[1])
        return next(server for server in self.servers if server.port == port)

    def masters(self):
        return {self.owner(SLOTS * part // 3) for part in range(3)}

    def another_master(self, than):
        return next(server for server in sorted(self.masters(), key=lambda server: server.port)
                    if server is not than)

    def migrate_slot(self, slot, to):
        """Moves a slot and its keys while clients go on. Returns how many keys there were."""
        source = self.owner(slot)
        assert source is not to, f"slot {slot} is there already"
        to.client().execute_command("CLUSTER SETSLOT", slot, "IMPORTING", self._ids[source])
        source.client().execute_command("CLUSTER SETSLOT", slot, "MIGRATING", self._ids[to])
        moved = 0
        while True:
            keys = source.client().execute_command("CLUSTER GETKEYSINSLOT", slot, 100)
            if not keys:
                break
            auth = ["AUTH", self.password] if self.password else []
            source.client().execute_command("MIGRATE", to.host, to.port, "", 0, 5000, "REPLACE",
                                            *auth, "KEYS", *keys)
            moved += len(keys)
        for server in (to, source, *(self.masters() - {to, source})):
            server.client().execute_command("CLUSTER SETSLOT", slot, "NODE", self._ids[to])
        return moved

    def kill9_owner(self, slot):
        """Kills the master of a slot. Returns it."""
        server = self.owner(slot)
        server.kill9()
        return server

    def wait_for_promotion(self, slot, old):
        """Returns the slot's new master, once every node that lives agrees on it."""
        def promoted():
            owners = {self.owner(slot, server) for server in self.servers
                      if server.process.is_running()}
            return owners.pop() if len(owners) == 1 and not owners & {None, old} else None
        return wait_until(promoted, "a replica takes the slots of its master over")

    def script_calls(self):
        return sum(server.script_calls() for server in self.servers if server.process.is_running())


def _known_nodes(server):
    return int(server.client().execute_command("CLUSTER INFO")["cluster_known_nodes"])


def _replicas_of(server, node_id):
    return server.client().execute_command("CLUSTER REPLICAS", node_id)
