"""Programs that can be killed and started anew."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
_STARTED_SECONDS = 60


class Program:
    """A program with all its processes, which listens on a port."""

    def __init__(self, command: Sequence[str], port: int, log: Path, environ: Mapping[str, str]) -> None:
        self._command, self._port, self._log, self._environ = command, port, log, environ
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={**os.environ, **self._environ},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _STARTED_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self._command[0]} does not start; see {self._log}") from None
                time.sleep(0.1)
            else:
                return

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    def wait(self, seconds: float) -> int:
        """Its exit status.

        Raises:
            subprocess.TimeoutExpired: It has not ended.
        """
        assert self._process is not None
        return self._process.wait(seconds)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def change(self, port: int | None = None, **environ: str) -> None:
        """Have it started with another port, and with more in its environment."""
        self._port = port or self._port
        self._environ = {**self._environ, **environ}

    def kill(self) -> None:
        """By SIGKILL, its children too."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        """In order; by force where that takes too long."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def running(command: Sequence[str], port: int, log: Path, **environ: str) -> Iterator[Program]:
    program = Program(command, port, log, environ)
    try:
        program.start()
        yield program
    finally:
        program.end()
