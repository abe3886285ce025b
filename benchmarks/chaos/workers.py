"""Processes that end, and begin again."""

import os
import signal
import threading
import time
import uuid
from pathlib import Path

from benchmarks.load import durations
from tests.until import until

from .parts import GUNICORN, Application, Row
from .world import World


def _judge(at: World, row: Row, app: Application, endpoint: str = "/work") -> None:
    counted = at.counted(app.job, app.sent, endpoint)
    row.sent, row.arrived = f"{app.sent} requests", f"{counted:.0f} counted"
    row.expect(f"{counted:.0f} of {app.sent} requests are counted", counted == app.sent)
    if row.end is not None:
        row.expect(f"the end took {row.end:.1f} s", row.end <= at.end_seconds)
    row.faults.extend(app.faults())


def in_a_request(at: World) -> Row:
    row = Row("SIGTERM while a request of 2 s is answered")
    with at.application(OTEL_METRIC_EXPORT_INTERVAL="60000") as app:
        answered: list[int] = []
        ask = threading.Thread(target=lambda: answered.append(len(durations(app.port, "/slow?seconds=2", 0.01, 1)[0])))
        ask.start()
        time.sleep(0.5)
        row.end = app.end()
        ask.join()
        app.sent = sum(answered)
        row.expect("the request is answered", app.sent == 1)
        _judge(at, row, app, "/slow")
        spans = at.spans(app.job, 1)
        row.arrived += f", {spans} span"
        row.expect("its span arrives", spans == 1)
    return row


def ctrl_c(at: World) -> Row:
    row = Row("Ctrl-C, two workers of uvicorn (spawned)")
    environ = {"OTEL_METRIC_EXPORT_INTERVAL": "60000"}
    with at.application("--workers", "2", **environ) as app:
        app.ask(3)
        row.end = app.end(signal.SIGINT, all_of_it=True)
        _judge(at, row, app)
    return row


def reload(at: World) -> Row:
    row = Row("uvicorn --reload, a file changed three times")
    folder = at.folder / f"reload-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    options = ("--reload", "--reload-dir", str(folder))
    environ = {"OTEL_METRIC_EXPORT_INTERVAL": "60000"}
    with at.application(*options, **environ) as app:
        app.ask(2)
        for number in range(3):
            before = _children(app.program.pid)
            (folder / "changed.py").write_text(f"# {number}\n")
            until(lambda before=before: bool(_children(app.program.pid) - before), 15)  # type: ignore[misc]
            # The new one takes requests once it has imported all.
            until(lambda: len(durations(app.port, "/slow?seconds=0", 0.01, 1)[0]), timeout=20, equals=1)
            app.ask(2)
        row.end = app.end()
        _judge(at, row, app)
    return row


def preload(at: World) -> Row:
    """A worker is killed and forked anew while its parent waits for an answer of the Collector."""
    row = Row("gunicorn --preload, a worker killed while the Collector is frozen")
    options = ("--workers", "1", "--preload")
    with at.application(*options, server=GUNICORN) as app:
        until(lambda: len(durations(app.port, "/slow?seconds=0", 0.01, 1)[0]), timeout=20, equals=1)
        at.collector.freeze()
        time.sleep(2)
        (first,) = _children(app.program.pid)
        os.kill(first, signal.SIGKILL)
        until(lambda: bool(_children(app.program.pid) - {first}), 15)
        until(lambda: len(durations(app.port, "/slow?seconds=0", 0.01, 1)[0]), timeout=20, equals=1)
        app.ask(2)
        at.collector.thaw()
        app.ask(2)
        _judge(at, row, app)
        row.end = app.end()
    return row


def _children(parent: int) -> set[int]:
    """The processes that serve."""
    found = map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    return {pid for pid in found if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()}
