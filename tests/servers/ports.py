"""Ports for programs that cannot choose one."""

import itertools
import socket
from collections.abc import Iterator

from stack.ports import is_free

# Below those that the kernel gives to clients (32768 and above by default), so that no connection takes one meanwhile.
_FIRST, _LAST = 20_000, 32_000
_PORTS_OF_A_PROCESS = 300


def _own() -> Iterator[int]:
    """Yield ports that no other process tries, of this run or another on the machine, over and over.

    A port can be free for seconds between its choice and the start of the program that it is for.
    """
    claim = socket.socket(socket.AF_UNIX)
    for first in range(_FIRST, _LAST, _PORTS_OF_A_PROCESS):
        try:
            claim.bind(f"\0wxiai-otel-tests-{first}")  # until the process ends
        except OSError:
            continue
        yield from itertools.cycle(range(first, first + _PORTS_OF_A_PROCESS))
    raise RuntimeError("other test processes have claimed all ports")


_candidates = _own()


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens, and another one each time."""
    return next(filter(is_free, _candidates))
