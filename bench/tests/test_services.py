import os
import time

import pytest

from measuring import cpu_us
from suite import placement
from suite.services import Scene


def test_a_process_that_ends_by_itself_is_named_with_its_last_words(tmp_path):
    with Scene(tmp_path) as scene:
        scene.run("one", "sh", "-c", "echo good; echo it broke; exit 3").wait()
        with pytest.raises(SystemExit, match="one has ended with 3: it broke$"):
            scene.check()


def test_a_scene_takes_its_processes_along(tmp_path):
    with Scene(tmp_path) as scene:
        process = scene.run("long", "sleep", "600")
        scene.check()
    assert process.returncode is not None


def test_a_process_is_moved_with_all_its_threads(tmp_path):
    with Scene(tmp_path) as scene:
        process = scene.run("long", "sleep", "600")
        placement.move([process.pid], placement.CORES[:1])
        assert os.sched_getaffinity(process.pid) == set(placement.CORES[:1])


def test_cpu_is_counted_finer_than_in_ticks():
    before = cpu_us(os.getpid())
    begin = time.process_time()
    while time.process_time() - begin < 0.003:
        pass
    assert 3000 <= cpu_us(os.getpid()) - before < 10_000
