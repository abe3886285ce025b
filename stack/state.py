"""What a running stack has written down of itself, and the lock that says whether it runs."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

# Seconds that a program is given to end in order.
GRACE = 10.0


@dataclass(slots=True)
class Process:
    """A process by its id and the moment it was started, since ids are used again."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has this id now."""
        return cls(pid, _started(pid))

    def alive(self) -> bool:
        """Whether it is still that process, and no zombie."""
        return bool(self.started) and _started(self.pid) == self.started


@dataclass(slots=True)
class State:
    """The ports and processes of a stack."""

    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)


def _started(pid: int) -> str:
    """When a process was started, in the kernel's ticks; empty where there is none."""
    try:
        # The command, in parentheses, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def read_state(data: Path) -> State:
    """The state that was written last; an empty one where there is none."""
    try:
        read = json.loads((data / "state.json").read_text())
        processes = {name: Process(**process) for name, process in read["processes"].items()}
        return State(read["ports"], processes)
    except (OSError, ValueError, KeyError, TypeError):
        return State()


def write_state(data: Path, state: State) -> None:
    """Write the state, whole or not at all."""
    part = data / "state.json.part"
    part.write_text(json.dumps(asdict(state), indent=1))
    part.rename(data / "state.json")


def end_processes(processes: Iterable[Process]) -> bool:
    """End processes that a supervisor which is gone has left; whether there were any."""
    found = [process for process in processes if process.alive()]
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 2.0)):
        left = [process for process in found if process.alive()]
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        deadline = time.monotonic() + seconds
        while any(process.alive() for process in left) and time.monotonic() < deadline:
            time.sleep(0.05)
    return bool(found)


@contextmanager
def holding(data: Path) -> Iterator[bool]:
    """Hold the lock of a running stack; whether it could be had. The file has the holder's process id."""
    with (data / "lock").open("a+") as file:
        # Whoever looks whether a stack runs has the lock for a moment.
        for _ in range(20):
            if held := _try_lock(file):
                break
            time.sleep(0.05)
        if not held:
            yield False
            return
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield True
        file.truncate(0)


def holder(data: Path) -> int | None:
    """The process id of the supervisor that runs the stack; None where nobody does."""
    try:
        with (data / "lock").open("r+") as file:
            if _try_lock(file):
                return None
            return int(file.read() or 0) or None
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
