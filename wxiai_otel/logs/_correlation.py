"""Trace and span ids on the records of `logging`, under the names of opentelemetry-instrumentation-logging."""

import logging
from collections.abc import Callable
from typing import Any

from opentelemetry import trace

from .._guard import fault

RecordFactory = Callable[..., logging.LogRecord]


class LogCorrelation:
    """Adds ``otelTraceID``, ``otelSpanID``, ``otelTraceSampled`` and ``otelServiceName`` to every log record.

    Outside a span the ids are ``"0"``. A format may name them: ``%(otelTraceID)s``.
    """

    def __init__(self, service_name: str) -> None:
        self._service_name = service_name
        self._original: RecordFactory = logging.getLogRecordFactory()
        self._active = True
        logging.setLogRecordFactory(self._make)

    def stop(self) -> None:
        """Add nothing any more. The factory is put back unless another one has been set over ours."""
        self._active = False
        if logging.getLogRecordFactory() == self._make:
            logging.setLogRecordFactory(self._original)

    def _make(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._original(*args, **kwargs)
        if self._active:
            try:
                context = trace.get_current_span().get_span_context()
                record.otelServiceName = self._service_name
                record.otelTraceID = format(context.trace_id, "032x") if context.is_valid else "0"
                record.otelSpanID = format(context.span_id, "016x") if context.is_valid else "0"
                record.otelTraceSampled = context.trace_flags.sampled
            except Exception:  # noqa: BLE001 - the record is logged without ids
                fault("logs")
        return record
