"""The programs that the demo starts, and ends."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from stack.ports import free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 30


class DemoError(Exception):
    """The demo cannot run; the message is one line for whoever started it."""


def check_port(port: int) -> None:
    """Raise `DemoError` where somebody listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(f"port {port}: {os.strerror(error.errno or 0)}; choose another with --port") from None


def check_folder(folder: Path) -> None:
    """Raise `DemoError` where no file can be made in a folder."""
    probe = folder / ".wxiai-demo"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DemoError(f"cannot write in {folder}: {error.strerror}; choose another folder with --data") from None


def check_redis(url: str) -> None:
    """Raise `DemoError` where no Redis answers."""
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise DemoError(f"no Redis answers at the URL of --redis: {error}") from None


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis of our own, and its URL."""
    program = shutil.which("redis-server")
    if program is None:
        raise DemoError("redis-server is not installed: apt-get install redis-server, or give a URL with --redis")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _running(command, port, "redis-server", folder):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def web_server(target: str, port: int, name: str, folder: Path, **environment: str) -> Iterator[str]:
    """An ASGI application under uvicorn, and its URL."""
    command = [sys.executable, "-m", "uvicorn", target, "--port", str(port), "--log-level", "error"]
    with _running(command, port, name, folder, **environment):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], port: int, name: str, folder: Path, **environment: str) -> Iterator[None]:
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is the demo's, which ends the others in order
        )
    try:
        _until_it_listens(process, port, name, log)
        yield
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_it_listens(process: "subprocess.Popen[bytes]", port: int, name: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None:
                raise DemoError(f"{name} ended with status {process.returncode}: {_reason(log)}") from None
            if time.monotonic() > deadline:
                raise DemoError(f"{name} does not listen on port {port} after {START_SECONDS} s") from None
            time.sleep(0.05)
        else:
            return


def _reason(log: Path) -> str:
    """The last line of a log that says more than that something failed."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line and not line.startswith("ERROR: ")]
    return lines[-1] if lines else "it said nothing"
