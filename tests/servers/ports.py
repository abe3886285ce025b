"""Ports for programs that cannot choose one by themselves."""

import itertools
import os
import socket

# Below those that the kernel gives to clients (32768 and above by default), so that no connection takes one meanwhile.
_FIRST, _LAST = 20_000, 32_000
_PROCESSES = 8


def _own() -> range:
    """The ports of this test process: no other one tries them."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PROCESSES
    width = (_LAST - _FIRST) // _PROCESSES
    first = _FIRST + number * width
    return range(first, first + width)


_candidates = itertools.cycle(_own())
# Two runs on one machine begin at different ones.
for _ in range(os.getpid() % len(_own())):
    next(_candidates)


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens, and another one each time."""
    while True:
        port = next(_candidates)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
