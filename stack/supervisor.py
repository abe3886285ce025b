"""The process behind a running stack: starts the programs, and ends them when it ends, however it does.

``python -m stack.supervisor DATA`` runs in the background until it is sent SIGTERM. A program that ends by itself is
left ended: what the others make of that is what the pipeline's alerts are for.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .ports import free_port, is_free
from .services import Service, wanted
from .state import GRACE, Process, State, end_processes, holding, read_state, write_state

_PR_SET_PDEATHSIG = 1
_TAKEN = 3


class _Ended(BaseException):
    """The supervisor was told to end."""


def choose_ports(services: Sequence[Service], *, usual: bool) -> dict[str, int]:
    """A free port for each name: the usual one where it is wanted and free, else any.

    Parameters:
        services: Whose ports.
        usual: Whether the usual ones are tried.
    """
    chosen: dict[str, int] = {}
    for name, port in ((name, port) for service in services for name, port in service.ports.items()):
        is_usual = usual and port not in chosen.values() and is_free(port)
        chosen[name] = port if is_usual else free_port()
    return chosen


class Supervisor:
    """The programs of one stack.

    Parameters:
        data: The stack's folder.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._state = State()

    def run(self, *, usual_ports: bool) -> None:
        """Start all, and stay until told to end."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _raise_ended)
        try:
            left = read_state(self._data).processes
            # Without ports it is the state of no stack: whoever waits for this one does not see that one's end.
            write_state(self._data, State(processes=left))
            end_processes(list(left.values()))
            services = wanted()
            self._state.ports = choose_ports(services, usual=usual_ports)
            (self._data / "logs").mkdir(exist_ok=True)
            for service in services:
                self._start(service)
            while True:
                self._wait()
        except _Ended:
            pass
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self._end()

    def _start(self, service: Service) -> None:
        log = self._data / "logs" / f"{service.name}.log"
        if log.exists():
            log.rename(log.with_suffix(".log.old"))
        command = [str(service.program()), *service.arguments(self._state.ports, self._data)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self._data,
                env={**_own_environ(), **service.environ(self._state.ports, self._data)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509 - there is one thread
            )
        self._running[service.name] = process
        self._state.processes[service.name] = Process.of(process.pid)
        write_state(self._data, self._state)

    def _wait(self) -> None:
        """Wait for a program that ends, so that it does not stay a zombie."""
        for process in self._running.values():
            process.poll()
        time.sleep(0.2)

    def _end(self) -> None:
        """End all in the order opposite to the start: what sends before what receives."""
        for process in reversed(self._running.values()):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        (self._data / "state.json").unlink(missing_ok=True)


def _own_environ() -> dict[str, str]:
    """Without variables that would change the programs' telemetry of themselves."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


def _raise_ended(_number: int, _frame: object) -> None:
    raise _Ended


def _end_with(parent: int) -> Callable[[], None] | None:
    """What a child does first: have the kernel end it when the supervisor is no more, even by SIGKILL."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def hook() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return hook


def main() -> int:
    """Run a stack; the exit status."""
    data = Path(sys.argv[1])
    with holding(data) as held:
        if not held:
            return _TAKEN
        Supervisor(data).run(usual_ports="--free-ports" not in sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
