"""Free ports of the loopback interface, for programs that start a moment later."""

import itertools
import os
import socket

HOST = "127.0.0.1"
# Below those that the kernel gives to clients (32768 and above by default), so that no connection takes one meanwhile;
# above the usual ones of the pipeline, and below those of the tests' own servers.
_FIRST, _LAST = 17_000, 20_000
_BLOCK = 32

# Each process starts at a different port.
_offsets = itertools.count(os.getpid() * _BLOCK)


def free_port() -> int:
    """Return a port on which nothing listens, and another one each time."""
    for offset in itertools.islice(_offsets, _LAST - _FIRST):
        if is_free(port := _FIRST + offset % (_LAST - _FIRST)):
            return port
    raise OSError("there is no free port")


def is_free(port: int) -> bool:
    """Return whether a program can listen on a port."""
    with socket.socket() as probe:
        # A port in TIME_WAIT is free for a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
        return True
