"""A group of workers of one server, with the same series, and what they cost.

It reads commands from standard input, a JSON object a line, and answers each with one. The workers are its forks:

| kind | workers |
|---|---|
| `ours` | of an application with `setup_telemetry`, which share a directory |
| `alone` | the same, each for itself (`workers_folder="none"`) |
| `bare` | of the application without telemetry |
| `multiprocess` | with the series in prometheus_client's multiprocess mode (`PROMETHEUS_MULTIPROC_DIR`) |
"""

import asyncio
import json
import logging
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import clock_gettime, monotonic, perf_counter, process_time
from typing import Any

from fastapi import FastAPI

# Failed payments have at most 50 channels and 200 types of errors.
_ERRORS = 100
ENDPOINT = "/monitoring/metrics"
_FORKS = 40
_FORK = multiprocessing.get_context("fork")

Found = dict[str, Any]


class Application:
    """A worker's application and its series.

    Parameters:
        kind: See above.
        folder: The directory that the workers share.
        routes: How many attribute sets of requests it records, each with a counter and a histogram.
        payments: How many attribute sets of failed payments it records, each with a counter.
    """

    def __init__(self, kind: str, folder: str, routes: int, payments: int) -> None:
        self.app = FastAPI()
        self.app.add_api_route("/hello", _hello)
        for number in range(routes):
            self.app.add_api_route(f"/route{number}", _hello)
        if kind != "bare":
            from wxiai_otel import record_payment_failure, setup_telemetry

            setup_telemetry(self.app, state_redis="memory", workers_folder=folder if kind == "ours" else "none")
            for number in range(routes):
                self.get(f"/route{number}")
            for number in range(payments):
                record_payment_failure(f"channel{number // _ERRORS}", f"Error{number % _ERRORS}")

    def get(self, path: str, at_once: int = 1) -> bytes:
        """Send GET requests, and return the answer of the last.

        Raises:
            RuntimeError: One was not answered with 200.
        """

        async def gather() -> list[bytes]:
            return await asyncio.gather(*(_get(self.app, path) for _ in range(at_once)))

        return _runner().run(gather())[-1]


class Series:
    """The series of a scrape of ours, in prometheus_client's multiprocess mode.

    Parameters:
        exposition: The scrape.
    """

    def __init__(self, exposition: str) -> None:
        from prometheus_client import Counter, Histogram
        from prometheus_client.parser import text_string_to_metric_families

        for family in text_string_to_metric_families(exposition):
            if family.type not in {"counter", "histogram"}:
                continue
            sets = {tuple((k, v) for k, v in s.labels.items() if k != "le"): None for s in family.samples}
            names = [name for name, _ in next(iter(sets), ())]
            if family.type == "counter":
                counter = Counter(family.name, "help", names)
                for labels in sets:
                    (counter.labels(**dict(labels)) if labels else counter).inc()
            else:
                bounds = sorted({float(s.labels["le"]) for s in family.samples if "le" in s.labels})
                histogram = Histogram(family.name, "help", names, buckets=bounds)
                for labels in sets:
                    (histogram.labels(**dict(labels)) if labels else histogram).observe(0.01)

    def get(self, _path: str, at_once: int = 1) -> bytes:
        """Return an exposition of all workers; each of several is made alone, as the library does."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        body = b""
        for _ in range(at_once):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
            body = generate_latest(registry)
        return body


class Group:
    """The workers.

    Parameters:
        kind: See above.
        folder: The directory that they share.
        count: How many they are.
        sets: How many attribute sets each records, as `Application` has them.
        series: The file of a scrape whose series `multiprocess` has.
    """

    def __init__(self, kind: str, folder: str, count: int, sets: tuple[int, int], series: Path) -> None:
        self._folder = Path(folder)
        self._workers: list[tuple[int, Connection]] = []
        for _ in range(count):
            ours, theirs = _FORK.Pipe()
            process = _FORK.Process(target=_work, args=(theirs, ours, kind, folder, sets, series), daemon=True)
            process.start()
            assert process.pid is not None
            self._workers.append((process.pid, ours))
        for _, connection in self._workers:
            connection.recv()

    def ask(self, do: str, **details: object) -> Found:
        """Have the first worker do something, and wait for what it has found."""
        cpu = self.cpu()["cpu_seconds"]
        self._workers[0][1].send((do, details))
        found: Found = self._workers[0][1].recv()
        return {**found, "cpu_seconds": self.cpu()["cpu_seconds"] - cpu, "files": len(list(self._folder.iterdir()))}

    def end(self) -> Found:
        """Kill the workers."""
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        return {}

    def cpu(self) -> Found:
        """CPU time of all workers so far."""
        # The CPU clock of a process: https://man7.org/linux/man-pages/man2/clock_getres.2.html
        return {"cpu_seconds": sum(clock_gettime((~pid << 3) | 2) for pid, _ in self._workers)}


def _work(
    connection: Connection, other_end: Connection, kind: str, folder: str, sets: tuple[int, int], series: Path
) -> None:
    """Run as a worker: record, then execute commands until the group ends."""
    other_end.close()
    logging.disable()  # failed payments are logged
    served = Series(series.read_text()) if kind == "multiprocess" else Application(kind, folder, *sets)
    asked: dict[str, Callable[..., Found]] = {
        "scrape": lambda at_once=1: _scrape(served, at_once),
        "save": lambda: {"bytes": series.write_bytes(served.get(ENDPOINT))},
        "forks": _forks,
        "requests": lambda count: _requests(served, count),
    }
    connection.send({})
    while True:
        try:
            do, details = connection.recv()
        except EOFError:
            os._exit(0)
        connection.send(asked[do](**details))


def _scrape(served: Application | Series, at_once: int) -> Found:
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, started = _status_mb("VmRSS"), perf_counter()
    body = served.get(ENDPOINT, at_once)
    return {"seconds": perf_counter() - started, "bytes": len(body), "grown_mb": _status_mb("VmHWM") - before}


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def _forks() -> Found:
    """Milliseconds of a fork that records nothing, and of a program that is started by a fork."""
    return {"fork_ms": _middle_ms(_fork), "popen_ms": _middle_ms(_popen)}


def _middle_ms(do: Callable[[], None]) -> float:
    taken = []
    for _ in range(_FORKS):
        started = perf_counter()
        do()
        taken.append(perf_counter() - started)
    return median(taken) * 1e3


def _fork() -> None:
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _popen() -> None:
    subprocess.Popen(["true"], preexec_fn=_nothing).wait()  # noqa: PLW1509 - it is what is measured


def _nothing() -> None:
    """Be called between the fork and the program."""


def _requests(served: Application | Series, count: int) -> Found:
    assert isinstance(served, Application)

    async def send() -> None:
        for _ in range(count):
            await _get(served.app, "/hello")

    started = process_time()
    _runner().run(send())
    return {"request_us": (process_time() - started) / count * 1e6}


async def _hello() -> str:
    return "hello"


async def _get(app: FastAPI, path: str) -> bytes:
    sent: list[Any] = []
    received = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        found = next(received, None)
        return found if found is not None else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    if sent[0]["status"] != 200:
        raise RuntimeError(f"{path} was answered with {sent[0]['status']}: {body[:200].decode()}")
    return body


_runners: list[asyncio.Runner] = []


def _runner() -> asyncio.Runner:
    """Return the event loop of this worker."""
    if not _runners:
        _runners.append(asyncio.Runner())
    return _runners[0]


def main() -> None:
    """Answer commands until standard input ends."""
    kind, folder, count, routes, payments, series = sys.argv[1:]
    started = monotonic()
    group = Group(kind, folder, int(count), (int(routes), int(payments)), Path(series))
    print(json.dumps({"seconds": monotonic() - started}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        found = {"cpu": group.cpu, "end": group.end}.get(do, partial(group.ask, do))(**command)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
