"""The console: each line has the ids of the trace that it belongs to."""

import logging

from wxiai_otel import LogFormatter


def to_console() -> None:
    """Show what this application says, and warnings of all others."""
    console = logging.StreamHandler()
    console.setFormatter(LogFormatter())
    logging.basicConfig(handlers=[console])
    logging.getLogger(__package__).setLevel(logging.INFO)
    # The server has handlers of its own, and what it says of a request belongs to that request's trace.
    for name in ("uvicorn", "uvicorn.access"):
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(LogFormatter())
