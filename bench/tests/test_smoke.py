"""The whole of bench/run.sh, as short as it can be."""

import json
import os
import pathlib
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree

BENCH = pathlib.Path(__file__).resolve().parent.parent
WORDS = [BENCH / "run.sh", "quick", "--only", "plain,quotagate", "--rounds", "1"]


def children_of(pid):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True,
                            text=True, check=False).stdout
    return [int(word) for word in listed.split()]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_it_measures_and_writes_what_it_saw(tmp_path):
    done = subprocess.run([*WORDS, "--seconds", "0.2", "--out", tmp_path, "--json",
                           tmp_path / "copy.json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    result = json.loads((tmp_path / "result.json").read_text())
    assert result == json.loads((tmp_path / "copy.json").read_text())
    assert result["problems"] == []
    for cell in result["cells"]:
        for name in ("plain", "quotagate"):
            assert cell["rounds"][name][0]["requests"] > 0
        assert cell["rounds"]["quotagate"][0]["cpu_us"]["quotad"] > 0
    assert (tmp_path / "result.md").read_text() == done.stdout.removesuffix("\n")
    ElementTree.parse(tmp_path / "plot.svg")


def test_it_takes_everything_along_when_it_is_interrupted(tmp_path):
    with subprocess.Popen([*WORDS, "--seconds", "60", "--out", tmp_path], stderr=subprocess.PIPE,
                          text=True) as process:
        assert "pinned, static" in process.stderr.readline() or os.cpu_count() == 1
        wait_until(lambda: len(children_of(process.pid)) >= 4, "everything runs")
        started = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    wait_until(lambda: not any(map(is_running, started)), "everything has ended")
    assert not (tmp_path / "result.json").exists()
