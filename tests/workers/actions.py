"""What a worker can be told to do."""

import asyncio
import contextlib
import logging
import os
import resource
import time
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI

import wxiai_otel
from tests.asgi import request
from tests.workers.watch import Watch
from wxiai_otel import Telemetry, setup_telemetry

METRICS = "/monitoring/metrics"

_state: dict[str, Any] = {}


class Answered(NamedTuple):
    """One answer of a worker: its status and text, the times of a `Watch`, and by how many MB the process grew."""

    status: int
    text: str
    seconds: float
    elapsed: float
    grown_mb: float


def loop() -> asyncio.Runner:
    """Return the event loop of this process."""
    found: tuple[int, asyncio.Runner] | None = _state.get("loop")
    if found is None or found[0] != os.getpid():
        found = _state["loop"] = os.getpid(), asyncio.Runner()
    return found[1]


def setup(**settings: object) -> float:
    """Set up telemetry for a new application, and return the seconds that it took."""
    logging.disable(logging.WARNING)
    app = _state["app"] = FastAPI()

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    @app.get("/hang")
    async def hang() -> None:
        await asyncio.Event().wait()

    watch = Watch()
    _state["telemetry"] = setup_telemetry(app, **{"state_redis": "memory", "health_interval": 0.2, **settings})
    return watch.seconds()


def telemetry() -> Telemetry:
    found: Telemetry = _state["telemetry"]
    return found


def shutdown() -> None:
    telemetry().shutdown()


def get(path: str, at_once: int = 1) -> list[Answered]:
    """Send requests at once."""

    async def one() -> Answered:
        watch = Watch()
        answer = await request(_state["app"], "GET", path)
        if answer.raised is not None:
            raise answer.raised
        return Answered(answer.status, answer.body.decode(), watch.seconds(), watch.elapsed(), 0)

    async def gather() -> list[Answered]:
        return await asyncio.gather(*(one() for _ in range(at_once)))

    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = status_mb("VmRSS")
    answers = loop().run(gather())
    return [answer._replace(grown_mb=status_mb("VmHWM") - before) for answer in answers]


def status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def record(registrations: int = 1, requests: int = 0) -> None:
    """Count users who register, and requests of /hello."""
    for _ in range(registrations):
        wxiai_otel.record_user_registration()
    for _ in range(requests):
        loop().run(request(_state["app"], "GET", "/hello"))


def fail_uploads(prefix: str, types: int) -> None:
    """Count one failed upload for each of some types of errors."""
    for number in range(types):
        wxiai_otel.record_upload_failure(f"{prefix}{number}")


def count_in_meter(name: str, by: int) -> None:
    """Count with an OpenTelemetry meter of the application."""
    from opentelemetry import metrics

    metrics.get_meter("application").create_counter(name).add(by)


def hold_gauges() -> None:
    """Have a request in progress, and a health check that fails."""
    telemetry().add_health_check("flaky", lambda: False)

    async def begin() -> None:
        _state["hanging"] = asyncio.create_task(request(_state["app"], "GET", "/hang"))
        await asyncio.sleep(0.3)

    loop().run(begin())


def record_for(seconds: float, pause: float = 0.0005) -> int:
    """Count users who register, one after another; return how many."""
    count, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        wxiai_otel.record_user_registration()
        count += 1
        time.sleep(pause)
    return count


def open_files() -> list[str]:
    """What the file descriptors of this process are open for, but for the event loop's own."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(path.readlink()))
    return sorted(name for name in found if not name.endswith("/fd"))


def fail(prefix: str, types: int) -> None:
    """Count errors of so many types and components."""
    for number in range(types):
        wxiai_otel.record_error(f"{prefix}{number}", f"{prefix}component{number}")


def refuse_logins(prefix: str, reasons: int) -> None:
    """Count failed logins for so many reasons."""
    for number in range(reasons):
        wxiai_otel.record_login_failure(f"{prefix}{number}")


def refuse_payments(prefix: str, types: int) -> None:
    """Count failed payments of so many channels and types of errors."""
    for number in range(types):
        wxiai_otel.record_payment_failure(f"{prefix}{number}", f"{prefix}error{number}")


def open_no_more() -> None:
    """Allow this process no further open file, once it has imported everything and has an event loop."""
    setup(workers_folder="none")
    get(METRICS)
    shutdown()
    _state["limit"] = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, _state["limit"][1]))


def open_again() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, _state["limit"])


def record_until_told(path: str) -> int:
    """Count users who register until a file exists; return how many."""
    count = 0
    while not Path(path).exists():
        count += record_for(0.05)
    return count
