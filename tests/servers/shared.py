"""A server that all test processes of a run use: the first user starts it, and it ends after the last.

``python -m tests.servers.shared FOLDER NAME`` holds it. Users share a lock that this process waits for, and the kernel
releases that of a killed user too, so no server outlives a run.
"""

import fcntl
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.until import until

ROOT = Path(__file__).parents[2]


def run_folder(base: Path) -> Path:
    """Return the folder of all test processes of a run, of which pytest's base temporary directory is one's own."""
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def locked(file: Path, *, with_others: bool = False) -> Iterator[None]:
    """Hold a lock between processes until the block ends; `with_others` share it."""
    with file.open("a") as opened:
        fcntl.flock(opened, fcntl.LOCK_SH if with_others else fcntl.LOCK_EX)
        yield


@contextmanager
def shared(folder: Path, name: str, seconds: float = 60) -> Iterator[Any]:
    """Use a server until the block ends.

    Parameters:
        folder: The run's.
        name: The context manager that runs the server, as ``package.module:function``. It is called in another process,
            with a folder, and yields what users get: JSON.
        seconds: Until the server has to be ready.
    """
    own = folder / name.replace(":", ".")
    own.mkdir(exist_ok=True)
    with locked(own / "users", with_others=True):
        with locked(own / "start"):
            if not (own / "state").exists():
                _start(own, name, seconds)
        yield json.loads((own / "state").read_text())
    # Wait for the server's end if this was the last user.
    time.sleep(0.1)
    with locked(own / "users", with_others=True):
        pass


def _start(own: Path, name: str, seconds: float) -> None:
    log = own / "log"
    with log.open("ab") as output:
        command = [sys.executable, "-m", "tests.servers.shared", str(own), name]
        # In a session of its own: a signal of the terminal is not for it.
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
    until(lambda: (own / "state").exists() or process.poll() is not None, seconds)
    assert process.poll() is None, f"{name} ended: {log.read_text()}"
    # It is left to itself.
    process.returncode = 0


def _hold(own: Path, name: str) -> None:
    module, _, function = name.partition(":")
    data, written = own / "data", own / "written"
    data.mkdir(exist_ok=True)
    # Held until the server has ended: who comes meanwhile waits, and starts the next one.
    with (own / "users").open("a") as users, getattr(importlib.import_module(module), function)(data) as given:
        written.write_text(json.dumps(given))
        written.rename(own / "state")
        fcntl.flock(users, fcntl.LOCK_EX)
        (own / "state").unlink()


if __name__ == "__main__":
    _hold(Path(sys.argv[1]), sys.argv[2])
