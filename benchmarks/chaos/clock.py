"""Time that steps, and an event loop that stands still."""

import os
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .parts import Application, Row
from .world import World

BLOCKED_SECONDS = 10


def blocked(at: World) -> Row:
    row = Row(f"event loop blocked for {BLOCKED_SECONDS} s")
    with at.application() as app:
        app.ask(3)
        app.ask(0.01, f"/block?seconds={BLOCKED_SECONDS}", 1)
        alive = at.value(f'min_over_time(count(system_info{{job="{app.job}"}})[{BLOCKED_SECONDS - 4}s:1s])')
        app.sent -= 1
        app.ask(3)
        counted = at.counted(app.job, app.sent)
        row.sent, row.arrived = f"{app.sent} requests", f"{counted:.0f} counted"
        row.expect(f"{counted:.0f} of {app.sent} requests are counted", counted == app.sent)
        row.expect("it was there all the time", alive == 1)
        row.end = app.end()
        row.faults.extend(app.faults())
    return row


def library() -> Path | None:
    """libfaketime, where it is installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


@contextmanager
def stepped(at: World) -> Iterator[tuple[Application, Path]]:
    """An application whose clock is said by a file, as ``+3600``."""
    file = at.folder / f"{uuid.uuid4().hex[:8]}.faketime"
    at.folder.mkdir(parents=True, exist_ok=True)
    file.write_text("+0\n")
    environ = {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        # As clocks are stepped: what is monotonic goes on.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with at.application(**environ) as app:
        yield app, file


def steps(at: World) -> Row:
    """The application's clock goes an hour ahead, two back, and back to now."""
    row = Row("clock steps by 1 h, -2 h and 1 h")
    if library() is None:
        row.arrived = "not tested: no libfaketime"
        return row
    with stepped(at) as (app, file):
        row.undisturbed = [app.ask(at.seconds)]
        felt = []
        for step in ("+3600", "-3600", "+0"):
            file.write_text(f"{step}\n")
            felt.append(app.ask(at.seconds))
        row.disturbed = felt
        _all_counted(at, row, app)
    return row


def suspended(at: World) -> Row:
    """The application stands still while it is asked; where its clock can be stepped it finds itself an hour later."""
    hour = library() is not None
    seconds = at.suspended_seconds
    row = Row(f"application suspended for {seconds:g} s{', its clock an hour ahead afterwards' if hour else ''}")
    with stepped(at) if hour else at.application() as made:
        app, file = made if isinstance(made, tuple) else (made, None)
        row.undisturbed = [app.ask(at.seconds)]
        pid = app.program.pid

        def wake() -> None:
            if file is not None:
                file.write_text("+3600\n")
            os.kill(pid, signal.SIGCONT)

        os.kill(pid, signal.SIGSTOP)
        threading.Timer(seconds, wake).start()
        # Clients that ask a machine that is asleep wait for it.
        slept = app.ask(at.seconds, rate=5)
        row.expect(f"{slept.failed} requests of those that waited failed", slept.failed == 0)
        row.disturbed = [app.ask(at.seconds)]
        _all_counted(at, row, app)
    return row


def _all_counted(at: World, row: Row, app: Application) -> None:
    counted = at.counted(app.job, app.sent)
    row.sent, row.arrived = f"{app.sent} requests", f"{counted:.0f} counted"
    row.expect(f"{counted:.0f} of {app.sent} requests are counted", counted == app.sent)
    row.expect("requests failed", not sum(one.failed for one in row.disturbed))
    row.ended(app, at.end_seconds)
    row.faults.extend(app.faults())
