"""Setting up an application that is being started, unless it has done so itself."""

from fastapi import FastAPI

from .._guard import guarded
from .._questions import note_loop
from ..telemetry import setup_telemetry, telemetry_of


@guarded("zero_code.set_up")
def set_up(app: FastAPI) -> None:
    """What ``setup_telemetry(app)`` does, in the event loop that serves the application."""
    if telemetry_of(app) is None:
        setup_telemetry(app)
        note_loop()


@guarded("zero_code.flush")
def flush(app: FastAPI) -> None:
    """Export what is pending of an application that was set up."""
    if (telemetry := telemetry_of(app)) is not None:
        telemetry.force_flush()
