"""The harness itself: a complaint that it overlooked would be overlooked by every test."""

import os
import random
import signal

import pytest

from harness.accounting import CLOCKS, Bucket, Entry, over_admission
from harness.client import ask, parse_structured_list
from harness.process import wait_until
from harness.stack import Stack


@pytest.fixture(name="own")
def fixture_own():
    """A stack that this test closes itself."""
    stack = Stack()
    yield stack
    stack.kill()


def append(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text + "\n")


def test_a_stack_without_complaints_closes_quietly(own):
    nginx = own.nginx("location / { proxy_pass http://content; }")
    assert ask(nginx).status == 200
    own.close()


@pytest.mark.parametrize("line", [
    "2026/01/01 00:00:00 [alert] 1#1: worker process 2 exited on signal 11",
    "2026/01/01 00:00:00 [emerg] 1#1: bind() failed",
    "2026/01/01 00:00:00 [notice] 1#1: open socket #3 left in connection 4",
])
def test_a_complaint_of_nginx_fails_the_test(own, line):
    nginx = own.nginx()
    append(nginx.prefix / "error.log", line)
    with pytest.raises(AssertionError, match="1#1"):
        own.close()


@pytest.mark.parametrize("name, line", [
    ("quotad0/quotad.log", "==1==ERROR: AddressSanitizer: heap-use-after-free"),
    ("quotad0/quotad.log", "==1==ERROR: LeakSanitizer: detected memory leaks"),
    ("quotad0/quotad.log", "a.cc:1:2: runtime error: signed integer overflow"),
    ("sanitizer.nginx.123", "WARNING: ThreadSanitizer: data race"),
])
def test_the_report_of_a_sanitizer_fails_the_test(own, name, line):
    own.quotad()
    append(own.workdir / name, line)
    with pytest.raises(AssertionError, match="Sanitizer|runtime error"):
        own.close()


def test_a_quotad_that_crashes_fails_the_test(own):
    quotad = own.quotad()
    quotad.process.send(signal.SIGKILL)
    quotad.process.wait()
    with pytest.raises(AssertionError, match="quotad ended with -9"):
        own.close()


def test_a_worker_that_crashes_fails_the_test(own):
    nginx = own.nginx()
    os.kill(nginx.worker_pids()[0], signal.SIGKILL)
    wait_until(lambda: "exited on signal" in nginx.error_log(), "nginx notices")
    with pytest.raises(AssertionError, match="exited on signal 9"):
        own.close()


@pytest.mark.parametrize("text", ["", "minute;q=1", '"minute";q=', '"minute";q=1,', '"a"; q=1',
                                  '"minute";q=1 "month";q=2', '"minute";q=1.5.2'])
def test_what_is_no_structured_field_is_not_taken_for_one(text):
    with pytest.raises((AssertionError, ValueError)):
        parse_structured_list(text)


# -- accounting


def in_any_interval(entries, bucket):
    """As over_admission() says it does, one interval after the other."""
    admitted = [entry for entry in entries if entry.allowed]
    ends = {entry.answered for entry in admitted}
    begin = min(entry.sent for entry in entries)
    worst = 0
    for start in {entry.sent for entry in admitted}:
        for end in ends:
            within = sum(entry.units for entry in admitted
                         if entry.sent >= start and entry.answered <= end)
            if within:
                worst = max(worst, within - bucket.capacity - bucket.rate * (end + CLOCKS - start))
    for end in ends:
        so_far = sum(entry.units for entry in admitted if entry.answered <= end)
        worst = max(worst, so_far - bucket.per_minute - bucket.rate * (end + CLOCKS - begin))
    return worst


@pytest.mark.parametrize("seed", range(50))
def test_over_admission_is_the_worst_of_all_intervals(seed):
    chance = random.Random(seed)
    bucket = Bucket(chance.choice([6, 60, 600]), chance.choice([1, 1.5]))
    entries = []
    for _ in range(chance.randint(1, 60)):
        sent = chance.uniform(0, 10)
        entries.append(Entry(sent, sent + chance.uniform(0, chance.choice([0.01, 1])), 0, "acme",
                             chance.random() < 0.7, chance.randint(1, 20)))
    assert over_admission(entries, bucket) == pytest.approx(in_any_interval(entries, bucket))


def test_one_unit_too_many_is_seen():
    bucket = Bucket(60, burst=1.5)
    # 60 at once, 29 that flow in, and the one that came too early.
    entries = [Entry(0, 0.001, 0, "acme", True, 60), Entry(28.99, 29, 0, "acme", True, 29)]
    assert over_admission(entries, bucket) == 0
    entries.append(Entry(29.0, 29.001, 1, "acme", True, 1))
    assert 0.9 < over_admission(entries, bucket) <= 1
