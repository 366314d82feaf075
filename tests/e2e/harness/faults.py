"""Ways to lose Redis, and to have it back."""

import pytest


def pause(world):
    world.redis.pause()


def resume(world):
    world.redis.resume()


def kill(world):
    world.redis.kill9()


def restart(world):
    world.redis.restart()


def restart_empty(world):
    world.redis.restart(empty=True)


def stall(world):
    world.proxy.stalled = True


def flow(world):
    world.proxy.stalled = False


# For a test that takes `begin` and `end`.
FAULTS = pytest.mark.parametrize("begin, end", [
    (pause, resume), (kill, restart), (kill, restart_empty), (stall, flow)],
    ids=["paused", "killed", "emptied", "stalled"])
