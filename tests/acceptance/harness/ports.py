"""Ports that a process can be told to listen on, and find free again after it was killed.

The kernel gives ports from its ephemeral range (Linux: 32768 and up) to outgoing connections, so a port from there may
be taken between a process's death and its restart. These lie below, in a block of each test worker's own.
"""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Iterator

_FIRST, _BLOCK, _WORKERS = 12_000, 800, 16


def _block() -> Iterator[int]:
    worker = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or _WORKERS - 1) % _WORKERS
    ports = [_FIRST + worker * _BLOCK + number for number in range(_BLOCK)]
    begin = random.randrange(_BLOCK)
    return itertools.cycle(ports[begin:] + ports[:begin])


_PORTS = _block()


def free_port() -> int:
    """A loopback port nobody listens on, not handed out lately."""
    for port in itertools.islice(_PORTS, _BLOCK):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no free port in this worker's block")
