"""Time that steps, and an event loop that stands still."""

import uuid
from pathlib import Path

from .parts import END_SECONDS, Row, application
from .world import World

BLOCKED_SECONDS = 10


def blocked(at: World) -> Row:
    row = Row(f"event loop blocked for {BLOCKED_SECONDS} s")
    with application(at.folder, f"chaos-{uuid.uuid4().hex[:8]}", at.pipeline.url("otlp_http")) as app:
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


def steps(at: World) -> Row:
    """The application's clock goes an hour ahead, two back, and back to now."""
    row = Row("clock steps by 1 h, -2 h and 1 h")
    preload = library()
    if preload is None:
        row.arrived = "not tested: no libfaketime"
        return row
    job = f"chaos-{uuid.uuid4().hex[:8]}"
    file = at.folder / f"{job}.faketime"
    at.folder.mkdir(parents=True, exist_ok=True)
    file.write_text("+0\n")
    environ = {
        "LD_PRELOAD": str(preload),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        # As clocks are stepped: what is monotonic goes on.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with application(at.folder, job, at.pipeline.url("otlp_http"), **environ) as app:
        row.undisturbed = [app.ask(at.seconds)]
        felt = []
        for step in ("+3600", "-3600", "+0"):
            file.write_text(f"{step}\n")
            felt.append(app.ask(at.seconds))
        row.disturbed = felt
        counted = at.counted(job, app.sent)
        row.sent, row.arrived = f"{app.sent} requests", f"{counted:.0f} counted"
        row.expect(f"{counted:.0f} of {app.sent} requests are counted", counted == app.sent)
        row.expect("requests failed", not sum(one.failed for one in felt))
        row.end = app.end()
        row.expect(f"the end took {row.end:.1f} s", row.end <= END_SECONDS)
        row.faults.extend(app.faults())
    return row
