"""A stack from outside: start it, wait until it is healthy, look at it, end it."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .errors import StackError
from .ports import HOST
from .programs import ROOT
from .services import ALL_SERVICES, Service, wanted
from .state import Process, State, end_processes, holder, read_state

HEALTHY_WITHIN = 90.0
ENDED_WITHIN = 60.0

# Supervisors go on after the command that has started them; Python warns of those that it forgets.
_started: list[subprocess.Popen[bytes]] = []

# Never through a proxy.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def default_data() -> Path:
    """The folder of the stack where none is given: STACK_DATA, else .stack in the project."""
    return Path(os.environ.get("STACK_DATA") or ROOT / ".stack").absolute()


@dataclass(frozen=True, slots=True)
class Status:
    """How a service is.

    Parameters:
        name: The service.
        url: Its address.
        state: ``healthy``, ``starting`` or ``ended``.
    """

    name: str
    url: str
    state: str


def up(data: Path, *, usual_ports: bool = True) -> None:
    """Build what is missing, start the stack unless it runs, and return when all is healthy.

    Parameters:
        data: Its folder.
        usual_ports: Whether the usual ports are tried before any free ones.

    Raises:
        StackError: A program cannot be had, or does not become healthy; nothing is left running then.
    """
    for service in wanted():
        service.program()
    try:
        data.mkdir(parents=True, exist_ok=True)
        started = None if holder(data) else _start(data, usual_ports=usual_ports)
    except OSError as error:
        raise StackError(f"{data} cannot be used for data: {error.strerror}") from None
    try:
        _wait_until_healthy(data, started)
    except BaseException:
        if started is not None:
            down(data, started.pid)
        raise


def _start(data: Path, *, usual_ports: bool) -> subprocess.Popen[bytes]:
    with (data / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stack.supervisor", str(data), *([] if usual_ports else ["--free-ports"])],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started[:] = [*(one for one in _started if one.poll() is None), process]
    return process


def _wait_until_healthy(data: Path, started: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + HEALTHY_WITHIN
    while time.monotonic() < deadline:
        if started is not None and started.poll() is not None:
            raise StackError(f"the stack does not start: {_last_line(data / 'supervisor.log')}")
        seen = status(data)
        for one in seen:
            if one.state == "ended":
                log = data / "logs" / f"{one.name}.log"
                raise StackError(f"{one.name} has ended: {_last_line(log)}; see {log}")
        if seen and all(one.state == "healthy" for one in seen):
            return
        time.sleep(0.1)
    waiting = ", ".join(one.name for one in status(data) if one.state != "healthy") or "the supervisor"
    raise StackError(f"not healthy after {HEALTHY_WITHIN:.0f} s: {waiting}; see {data / 'logs'}")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][:300] if lines else "it has said nothing"


def status(data: Path) -> list[Status]:
    """How each service is; nothing where no stack runs, or it has not begun yet."""
    if holder(data) is None:
        return []
    state = read_state(data)
    if not state.ports:
        return []
    started = (service for service in ALL_SERVICES if service.main in state.ports)
    return [Status(service.name, url(state, service.main), _state(service, state)) for service in started]


def url(state: State, port: str) -> str:
    """The address of a port by its name."""
    return f"http://{HOST}:{state.ports[port]}"


def _state(service: Service, state: State) -> str:
    process = state.processes.get(service.name)
    if process is None:
        return "starting"
    if not process.alive():
        return "ended"
    port, path = service.health
    try:
        with _OPENER.open(f"{url(state, port)}{path}", timeout=2):
            return "healthy"
    except (urllib.error.URLError, OSError, ValueError):
        return "starting"


def down(data: Path, supervisor: int | None = None) -> bool:
    """End the stack, and wait until it has ended.

    Parameters:
        data: Its folder.
        supervisor: The supervisor, where it may not hold the lock yet.

    Returns:
        Whether one ran.
    """
    processes = read_state(data).processes.values()
    pid = supervisor or holder(data)
    if pid is not None:
        _end(pid)
    # Where the supervisor was killed, its programs may be about to end.
    left = end_processes(processes)
    (data / "state.json").unlink(missing_ok=True)
    return pid is not None or left


def _end(pid: int) -> None:
    for number, seconds in ((signal.SIGTERM, ENDED_WITHIN), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if _gone(pid):
                return
            time.sleep(0.05)


def _gone(pid: int) -> bool:
    """Whether a process has ended; reaps it where this process has started it."""
    for process in _started:
        if process.pid == pid:
            return process.poll() is not None
    return not Process.of(pid).started
