"""Trace and span ids on the records of `logging`, under the names of opentelemetry-instrumentation-logging."""

import logging
from collections.abc import Callable
from typing import Any

from opentelemetry import trace

from .._guard import fault

_NAMES = frozenset(("otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName"))

RecordFactory = Callable[..., logging.LogRecord]


class LogCorrelation:
    """Adds ``otelTraceID``, ``otelSpanID``, ``otelTraceSampled`` and ``otelServiceName`` to every log record.

    Those that the application gives in ``extra`` take precedence.

    Outside a span the ids are ``"0"``. A format may name them: ``%(otelTraceID)s``.
    """

    def __init__(self, service_name: str) -> None:
        self._service_name = service_name
        self._original: RecordFactory = logging.getLogRecordFactory()
        self._active = True
        logging.setLogRecordFactory(self._make)
        self._original_method = original = logging.Logger.makeRecord

        def make_record(
            of: logging.Logger,
            name: str,
            level: int,
            fn: str,
            lno: int,
            msg: object,
            args: Any,
            exc_info: Any,
            func: str | None = None,
            extra: Any = None,
            sinfo: str | None = None,
        ) -> logging.LogRecord:
            own = _own_ids(extra) if extra and self._active else None
            if own:
                # `logging` raises if a record has an attribute that is in `extra` as well.
                extra = {key: value for key, value in extra.items() if key not in own}
            record = original(of, name, level, fn, lno, msg, args, exc_info, func, extra, sinfo)
            if own:
                record.__dict__.update(own)
            return record

        self._method = make_record
        logging.Logger.makeRecord = make_record  # type: ignore[assignment, method-assign]

    def stop(self) -> None:
        """Add nothing any more. The factory is put back unless another one has been set over ours."""
        self._active = False
        if logging.getLogRecordFactory() == self._make:
            logging.setLogRecordFactory(self._original)
        if logging.Logger.makeRecord is self._method:
            logging.Logger.makeRecord = self._original_method  # type: ignore[method-assign]

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


def _own_ids(extra: Any) -> dict[str, Any]:
    """Return what the application gives under our names; nothing if `extra` is no mapping, which `logging` reports."""
    try:
        return {} if _NAMES.isdisjoint(extra) else {name: extra[name] for name in _NAMES if name in extra}
    except Exception:  # noqa: BLE001 - it is the application's
        return {}
