"""More nginx workers and more threads of quotad, free, at 256 connections."""

from suite.contenders import POLICY, Gateway, Part, quota_part, start_upstream
from suite.plan import Cell
from suite.rounds import measure
from suite.services import Scene

CELL = Cell("free", "static", 256)
THREADS = [1, 2]


def _gateway(scene, upstream, workers, threads):
    name = f"{workers}-{threads}"
    part = (quota_part(scene.quotad(f"quotad-{name}", POLICY, None, threads)) if threads
            else Part())
    return Gateway(name, scene, upstream, part, workers)


def count(workers):
    return len(workers) * (1 + len(THREADS))


def run(directory, workers, rounds, seconds, progress):
    """Rows of a table: workers, threads (0: no quotad), and the rounds."""
    if not workers:
        return []
    progress.begin("free, static, c=256, more workers and threads",
                   CELL.seconds(seconds) * rounds * count(workers))
    with Scene(directory) as scene:
        upstream = start_upstream(scene)
        gateways = {(number, threads): _gateway(scene, upstream, number, threads)
                    for number in workers for threads in [0, *THREADS]}
        rows = {key: [] for key in gateways}
        for _ in range(rounds):
            for key, gateway in gateways.items():
                rows[key].append(measure(gateway, CELL, seconds))
        return [{"workers": number, "threads": threads, "rounds": values}
                for (number, threads), values in rows.items()]
