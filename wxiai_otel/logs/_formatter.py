"""Lines of a log that show the trace that they belong to."""

import logging
from typing import Literal

FORMAT = "%(asctime)s %(levelname)s %(name)s trace_id=%(otelTraceID)s span_id=%(otelSpanID)s %(message)s"


class LogFormatter(logging.Formatter):
    """A formatter with trace and span id; ``"()": "wxiai_otel.LogFormatter"`` in a dictionary of `logging.config`.

    Parameters:
        fmt: Another format; it may name ``otelTraceID``, ``otelSpanID``, ``otelServiceName`` and ``otelTraceSampled``.
        datefmt: As of `logging.Formatter`.
        style: Likewise.
        validate: Likewise.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        validate: bool = True,  # noqa: FBT001, FBT002 - logging.config gives it by position
    ) -> None:
        # Records made before the set-up, or by a process without one, have none of these.
        nothing = {"otelTraceID": "0", "otelSpanID": "0", "otelServiceName": "", "otelTraceSampled": False}
        super().__init__(fmt or FORMAT, datefmt, style, validate, defaults=nothing)
