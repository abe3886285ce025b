"""The parts that faults are done to: a program of the stack, and the application with its clients."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from benchmarks.detection.platform import again
from benchmarks.detection.programs import Program, running
from benchmarks.load import durations
from stack.services import SERVICES
from tests.servers.pipeline import Pipeline
from tests.servers.ports import free_port
from tests.servers.program import answers
from tests.until import until

RATE = 50.0
T = TypeVar("T")


def last(find: Callable[[], T], equals: T, seconds: float = 60) -> T:
    """Return what is found as soon as it is as wanted, else what is found in the end: that is for the case's row."""
    with suppress(AssertionError):
        return until(find, seconds, equals=equals)
    return find()


class Part:
    """A program of the stack: its own at first, and after its first death one in its place."""

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        self._pipeline = pipeline
        self._own = pipeline.state.processes[name]
        self.name = name
        self.program = again(pipeline, name)

    @property
    def pid(self) -> int:
        return self._own.pid if self._own.alive() else self.program.pid

    def kill(self) -> None:
        if self._own.alive():
            os.kill(self._own.pid, signal.SIGKILL)
            until(self._own.alive, timeout=10, equals=False)
        else:
            self.program.kill()

    def start(self, port: int | None = None, **environ: str) -> None:
        """Start one in its place, and wait until it is healthy."""
        self.program.change(port, **environ)
        self.program.start()
        (service,) = (one for one in SERVICES if one.name == self.name)
        name, path = service.health
        until(lambda: answers(self._pipeline.url(name) + path), 60)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def empty(self) -> None:
        """Take from it what it has kept."""
        shutil.rmtree(self._pipeline.data / self.name, ignore_errors=True)


@dataclass(slots=True)
class Felt:
    """What clients felt of a round, in milliseconds."""

    p50: float
    p99: float
    sent: int
    failed: int


class Application:
    """The application of this module, and the clients that ask it.

    Parameters:
        program: Its process.
        port: Where it listens.
        job: Its name in Prometheus and Jaeger.
        log: What it has said.
    """

    def __init__(self, program: Program, port: int, job: str, log: Path) -> None:
        self.program, self.port, self.job, self._log = program, port, job, log
        self.sent = 0

    def ask(self, seconds: float, path: str = "/work", rate: float = RATE) -> Felt:
        """Have clients ask for some time."""
        took, failed = durations(self.port, path, seconds, rate)
        self.sent += len(took)
        took.sort()
        at = [
            took[min(len(took) - 1, int(len(took) * share))] * 1000 if took else float("inf") for share in (0.5, 0.99)
        ]
        return Felt(at[0], at[1], len(took) + failed, failed)

    def memory(self) -> float:
        """Its resident memory in MB."""
        status = Path(f"/proc/{self.program.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def end(self, number: int = signal.SIGTERM, *, all_of_it: bool = False) -> float:
        """End it in order, with all its processes as a terminal does; the seconds this took."""
        began = time.monotonic()
        (os.killpg if all_of_it else os.kill)(self.program.pid, number)
        try:
            self.program.wait(30)
        except subprocess.TimeoutExpired:
            self.program.kill()
        return time.monotonic() - began

    def faults(self) -> list[str]:
        """What it has said that it should not have to."""
        said = self._log.read_text(errors="replace")
        return sorted(set(re.findall(r"Exception in ASGI.*|telemetry fault in [\w.]+|Fatal Python error.*", said)))


UVICORN = ("uvicorn", "benchmarks.chaos.application:app", "--log-level", "error", "--port", "{port}")
GUNICORN = ("gunicorn", UVICORN[1], "--worker-class", "uvicorn_worker.UvicornWorker", "--bind", "127.0.0.1:{port}")


@contextmanager
def application(
    folder: Path, *options: str, job: str, endpoint: str, server: Sequence[str] = UVICORN, **environ: str
) -> Iterator[Application]:
    """Run it until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / f"{job}.log"
    command = [sys.executable, "-m", *(word.format(port=port) for word in server)]
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_SERVICE_NAME": job,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "WXIAI_OTEL_TRACE_SHARE": "1",
        **environ,
    }
    with running([*command, *options], port, log, **settings) as program:
        yield Application(program, port, job, log)


@dataclass(slots=True)
class Row:
    """What came of a case.

    Parameters:
        title: What was done.
        sent: What went in.
        arrived: What came out.
        undisturbed: Rounds without the fault.
        disturbed: Rounds with it.
        memory: Of the application before and at the most, in MB.
        end: Seconds that its end took.
        faults: What was wrong.
    """

    title: str
    sent: str = ""
    arrived: str = ""
    undisturbed: Sequence[Felt] = ()
    disturbed: Sequence[Felt] = ()
    memory: tuple[float, float] | None = None
    end: float | None = None
    faults: list[str] = field(default_factory=list)

    def expect(self, what: str, holds: object) -> None:
        """Have it be a fault where something does not hold."""
        if not holds:
            self.faults.append(what)

    def ended(self, app: Application, within: float) -> None:
        """End the application, in so many seconds."""
        self.end = app.end()
        self.expect(f"the end took {self.end:.1f} s", self.end <= within)
