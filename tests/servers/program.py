"""A program that a test starts: waited for until it answers, and ended with the block."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def answers(url: str) -> bool:
    """Whether a GET is answered with success."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


def listens(port: int) -> bool:
    """Whether a connection is taken."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def program(
    command: Sequence[str | Path],
    ready: Callable[[], bool],
    *,
    env: dict[str, str] | None = None,
    log: Path | None = None,
    seconds: float = 100,
) -> Iterator[subprocess.Popen]:
    """Run a program until the block ends.

    Parameters:
        command: The program and its arguments.
        ready: Whether it can be used.
        env: Its environment; None: ours.
        log: What it says goes to the end of this file; None: where ours goes.
        seconds: Until it has to be ready, and again until it has to end.
    """
    name = Path(command[0]).name
    output = None if log is None else log.open("ab")
    try:
        process = subprocess.Popen(command, env=env or dict(os.environ), stdout=output, stderr=output)
    finally:
        if output is not None:
            output.close()
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            assert process.poll() is None, f"{name} ended: {log.read_text() if log else 'see above'}"
            assert time.monotonic() < deadline, f"{name} is not ready: {log.read_text() if log else 'see above'}"
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(seconds)
        finally:
            process.kill()
