"""Results as bench/run.sh would make them, with figures that a test chooses."""


def saturated(requests_s=100_000, **cpu_us):
    return {"requests": 1000, "requests_s": requests_s, "errors": 0, "cpu_us": cpu_us}


def constant(p50, p99, rate=5000, **cpu_us):
    return {"requests": 1000, "requests_s": rate, "errors": 0, "unanswered": 0, "p50_us": p50,
            "p99_us": p99, "p99_9_us": 2 * p99, "max_us": 3 * p99, "own_lateness_p99_us": 5,
            "cpu_us": cpu_us}


def cell(rounds, placement="pinned", handler="static", connections=64, rate=None):
    return {"placement": placement, "handler": handler, "connections": connections, "rate": rate,
            "rounds": rounds}


def typical(quotagate_added=1.5):
    """Plain takes 6, 7 and 8 us in its three rounds, and quotagate always the same more."""
    plain = [6.0, 7.0, 8.0]
    return {
        "format": 1, "mode": "quick", "when": "2026-01-01 12:00", "rounds": 3, "seconds": 1,
        "took_s": 90, "problems": [],
        "machine": {"cpu": "Some CPU", "cores": 2, "system": "Debian", "stolen": 0.0,
                    "others": 0.01},
        "versions": {"quotagate": "abc1234", "nginx": "1.22.1"},
        "noise": {"typical": 0.01, "worst": 0.02, "word": "quiet"},
        "cells": [
            cell({"plain": [saturated(nginx=value) for value in plain],
                  "lua_redis": [saturated(20_000, nginx=value + 9, Redis=8.0) for value in plain],
                  "quotagate": [saturated(80_000, nginx=value + quotagate_added - 0.5, quotad=0.5)
                                for value in plain]}),
            cell({"plain": [constant(50, 90, nginx=30.0)] * 3,
                  "lua_redis": [constant(120, 9000, 3000, nginx=60.0, Redis=9.0)] * 3,
                  "quotagate": [constant(80, 150, nginx=35.0, quotad=20.0)] * 3}, rate=5000)],
        "memory": {state: {"plain": {"nginx": {"resident": 6.0, "private": 2.0}},
                           "quotagate": {"nginx": {"resident": 7.5, "private": 2.5},
                                         "quotad": {"resident": 25.0, "private": 4.0}}}
                   for state in ("idle", "loaded")},
        "scaling": [{"workers": 2, "threads": 1,
                     "rounds": [saturated(nginx=7.0, quotad=1.0)] * 3}],
    }
