"""Addresses that no other test uses at the same time."""

import os
import socket

# All of 127.0.0.0/8 is this machine. An address per test process means that free ports stay free:
# nobody else looks for one there.
_PID = os.getpid()
ADDRESS = f"127.{1 + (_PID >> 16) % 250}.{(_PID >> 8) & 255}.{1 + (_PID & 255) % 254}"

_given = set()


def free_port():
    while True:
        with socket.socket() as probe:
            probe.bind((ADDRESS, 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


def accepts(host, port):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


def accepts_unix(path):
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
            return True
        except OSError:
            return False
