"""What is instrumented: found by doing it, in memory."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from .. import _guard, _runtime
from ..settings import Settings
from ._environment import installed
from ._report import Report, State

SECTION = "instrumentation"


@contextmanager
def warnings(logger: str) -> Iterator[list[str]]:
    """The warnings and errors that are logged within the block, rather than shown."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            reason = f": {record.exc_info[1]!r}" if record.exc_info and record.exc_info[1] else ""
            found.append(record.getMessage() + reason)

    handler, target = Handler(logging.WARNING), logging.getLogger(logger)
    before = target.propagate
    target.addHandler(handler)
    target.propagate = False
    try:
        yield found
    finally:
        target.removeHandler(handler)
        target.propagate = before


def look_at_pieces(report: Report, settings: Settings, warned: list[str], faults_before: dict[str, int]) -> None:
    """What works, and of the rest why not.

    Parameters:
        report: Is told.
        settings: In force.
        warned: What was logged during the set-up.
        faults_before: Those that there were before it, by site.
    """
    runtime = _runtime._runtime  # noqa: SLF001 - the doctor is this package's
    if settings.disabled or runtime is None:
        report.add(SECTION, "all", State.WARNING, "switched off by the setting disabled; the endpoints still answer")
        return
    _piece(report, "http", on=settings.http, works=True, package="fastapi")
    _piece(report, "sql", on=settings.sql, works=runtime.sql is not None, package="sqlalchemy")
    _piece(report, "redis", on=settings.redis, works=runtime.redis is not None, package="redis")
    _piece(report, "business", on=True, works=runtime.watch is not None, package="wxiai-otel")
    _piece(report, "log_correlation", on=settings.log_correlation, works=True, package="wxiai-otel")
    for site, count in sorted(_guard.faults().items()):
        if count > faults_before.get(site, 0):
            reasons = "; ".join(text for text in warned if site in text)
            report.add(SECTION, site, State.FAILED, f"a fault inside the telemetry: {reasons or 'see the log'}")


def _piece(report: Report, name: str, *, on: bool, works: bool, package: str) -> None:
    if not on:
        report.add(SECTION, name, State.NOTE, f"switched off by the setting {name}")
    elif works:
        report.add(SECTION, name, State.OK, "instrumented")
    elif installed(package) is None:
        report.add(SECTION, name, State.NOTE, f"left out: {package} is not installed")
    else:
        report.add(SECTION, name, State.FAILED, f"cannot be instrumented with {package} {installed(package)}")
