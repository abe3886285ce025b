"""A real uvicorn in a process of its own."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.scrape import Scrape, parse
from tests.servers.ports import free_port
from tests.servers.program import listens, program
from tests.until import until


class Server:
    """A running server and its process."""

    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def scrape(self) -> Scrape:
        with urllib.request.urlopen(f"{self.url}/monitoring/metrics", timeout=30) as response:
            return parse(response.read().decode())

    def workers(self) -> list[int]:
        """The processes that serve, once they have begun rather than import: from then on uvicorn handles SIGTERM."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if _serves(Path("/proc") / pid)]

    def until(self, name: str, value: float, timeout: float = 30, **labels: str) -> Scrape:
        """Scrape until a metric has a value."""
        until(lambda: self.scrape().value(name, **labels), timeout, equals=value)
        return self.scrape()


def _serves(process: Path) -> bool:
    try:
        # Another child of uvicorn's is multiprocessing's resource tracker.
        if b"resource_tracker" in (process / "cmdline").read_bytes():
            return False
        caught = re.search(r"SigCgt:\s*(\w+)", (process / "status").read_text())
    except OSError:
        return False
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


@contextmanager
def uvicorn(target: str, *options: str, env: dict[str, str] | None = None, log: Path | None = None) -> Iterator[Server]:
    """Serve an application on a free port until the block ends.

    Parameters:
        target: ``module:application``, from the project's root.
        options: Of uvicorn.
        env: More than our environment.
        log: The file of its console; None: ours.
    """
    port = free_port()
    command = ["uvicorn", target, "--port", str(port), "--log-level", "warning", *options]
    with _serving(command, port, env, log) as server:
        yield server


@contextmanager
def gunicorn(target: str, *options: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """The same by gunicorn, with workers of uvicorn."""
    port = free_port()
    worker = ["--worker-class", "uvicorn_worker.UvicornWorker", "--log-level", "warning"]
    with _serving(["gunicorn", target, "--bind", f"127.0.0.1:{port}", *worker, *options], port, env) as server:
        yield server


@contextmanager
def _serving(module: list[str], port: int, env: dict[str, str] | None, log: Path | None = None) -> Iterator[Server]:
    command = [sys.executable, "-m", *module]
    with program(command, lambda: listens(port), env={**os.environ, **(env or {})}, log=log) as process:
        yield Server(process, port)
