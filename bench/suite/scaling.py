"""More nginx workers and more threads of quotad, free, at 256 connections."""

from suite import contenders
from suite.contenders import POLICY, Part, locations, quota_part
from suite.plan import Cell
from suite.rounds import measure
from suite.services import Scene
from measuring import cpu_us

CELL = Cell("free", "static", 256)
THREADS = [1, 2]


class Setup:
    """As much of a Contender as measure() needs."""

    def __init__(self, scene, upstream, workers, threads):
        self.name = f"{workers}-{threads}"
        part = quota_part(scene.quotad(f"quotad-{self.name}", POLICY, None, threads)) if threads \
            else Part()
        nginx = scene.nginx(f"nginx-{self.name}", workers=workers, modules=part.modules,
                            **locations(part, upstream))
        self.port = nginx.port
        self._roles = {"nginx": nginx.workers, **part.pids}
        self.facts = {"workers": workers, "threads": threads}

    def cpu(self):
        return {role: sum(map(cpu_us, pids)) for role, pids in self._roles.items()}


def count(workers):
    return len(workers) * (1 + len(THREADS))


def run(directory, workers, rounds, seconds, progress):
    """Rows of a table: workers, threads (0: no quotad), and the rounds."""
    if not workers:
        return []
    progress.begin("free, static, c=256, more workers and threads",
                   CELL.seconds(seconds) * rounds * count(workers))
    with Scene(directory) as scene:
        upstream = contenders.start_upstream(scene)
        setups = [Setup(scene, upstream, number, threads)
                  for number in workers for threads in [0, *THREADS]]
        rows = {setup: [] for setup in setups}
        for _ in range(rounds):
            for setup in setups:
                rows[setup].append(measure(setup, CELL, seconds))
        return [{**setup.facts, "rounds": values} for setup, values in rows.items()]
