"""The records of `logging` by OTLP: how they are seen, and what of them leaves the process.

A handler on the root logger would be the usual way. It is not taken: with it `logging.basicConfig` does nothing any
more, a later `logging.config` takes it away, and what does not propagate, as uvicorn's own records, never gets there.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from itertools import islice
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger_provider, set_logger_provider
from opentelemetry.context import get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource

from .._background import in_forked_child
from .._connections import Connection, wakes_without_lock
from .._database_errors import Reduction, inline, is_exception, is_reduced, reduction
from .._deadline import left
from .._guard import fault
from .._labels import exception_type, printable
from .._redaction import MARGIN, redacted, redacted_attribute
from .._reentry import Serial

logger = logging.getLogger("wxiai_otel")

# What these say would be sent, which they would say again.
_TELEMETRY = ("opentelemetry", "wxiai_otel")
# These write each statement with its values. The spans have the statements.
_STATEMENTS = ("sqlalchemy.engine", "aiosqlite")

# With the queue's bound these bound what waits.
_BODY_CHARACTERS = 8192
_MAX_STACK = 65_536
_FRAMES = 50
_CAUSES = 5
_PLAIN = frozenset((str, bytes, int, float, bool, type(None)))
_CONTAINERS = frozenset((list, tuple, set, frozenset))
# As many values of a record's arguments are searched for exceptions.
_MAX_VALUES = 100
_STACK = "exception.stacktrace"
# The SDK's default, for a shutdown without a deadline.
_SHUTDOWN_SECONDS = 30.0

_SEVERITIES = (
    (logging.CRITICAL, SeverityNumber.FATAL, "FATAL"),
    (logging.ERROR, SeverityNumber.ERROR, "ERROR"),
    (logging.WARNING, SeverityNumber.WARN, "WARN"),
    (logging.INFO, SeverityNumber.INFO, "INFO"),
    (logging.DEBUG, SeverityNumber.DEBUG, "DEBUG"),
    (0, SeverityNumber.TRACE, "TRACE"),
)


class Redacting(LogRecordExporter):
    """Redacts in the exporter's thread: whoever logs does not wait for it.

    Parameters:
        connection: Where to.
    """

    def __init__(self, connection: Connection[LogRecordExporter]) -> None:
        self._connection = connection

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Send records without what looks like a secret."""
        for item in batch:
            record = item.log_record
            known = Reduction()
            known.learn_from_event(record.attributes or {})
            record.body = redacted(known.reduce(str(record.body)), limit=_BODY_CHARACTERS)
            record.attributes = {
                name: redacted_attribute(name, value, limit=_MAX_STACK if name == _STACK else _BODY_CHARACTERS)
                for name, value in known.reduce_event(record.attributes or {}).items()
            }
        good = self._connection.again(lambda exporter: exporter.export(batch), len(batch))
        return LogRecordExportResult.SUCCESS if good else LogRecordExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what the exporter holds back."""
        return self._connection.exporter.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """End the exporter."""
        self._connection.shutdown()


class LogQueue(BatchLogRecordProcessor):
    """The queue of log records to be exported.

    Parameters:
        exporter: Exports the records.
    """

    def __init__(self, exporter: LogRecordExporter) -> None:
        super().__init__(exporter)
        self._wake_without_lock()
        in_forked_child(self._wake_without_lock)

    def _wake_without_lock(self) -> None:
        wakes_without_lock(self)

    def shutdown(self) -> None:
        """Export queued records, by the deadline of the current work."""
        self._batch_processor.shutdown(int(left(_SHUTDOWN_SECONDS) * 1000))


def build_logger_provider(connection: Connection[LogRecordExporter], resource: Resource) -> LoggerProvider | None:
    """A provider that sends in batches; ``None`` where the application has one of its own, which sends already.

    Parameters:
        connection: Where to.
        resource: The resource of this process.
    """
    if isinstance(get_logger_provider(), LoggerProvider):
        logger.info("the application exports its log records itself: they are left to it")
        return None
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    provider.add_log_record_processor(LogQueue(Redacting(connection)))
    set_logger_provider(provider)
    return provider


class LogExport:
    """Sends each record that a logger hands to its handlers, after these.

    Parameters:
        provider: Where to.
        attributes: What of a record's ``extra`` goes with it.
    """

    def __init__(self, provider: LoggerProvider, attributes: Sequence[str]) -> None:
        self._provider = provider
        self._attributes = attributes
        self._active = True
        self._serial = Serial()
        self._original = original = logging.Logger.callHandlers

        def call_handlers(of: logging.Logger, record: logging.LogRecord) -> None:
            original(of, record)
            if self._active:
                self._see(record)

        self._ours = call_handlers
        logging.Logger.callHandlers = call_handlers  # type: ignore[assignment, method-assign] # all loggers, made and to be made

    def stop(self) -> None:
        """Send nothing any more. The method is put back unless another one has been set over ours."""
        self._active = False
        if logging.Logger.callHandlers is self._ours:
            logging.Logger.callHandlers = self._original  # type: ignore[method-assign]

    def _see(self, record: logging.LogRecord) -> None:
        try:
            if _is_of(record.name, _TELEMETRY) or _is_of(record.name, _STATEMENTS) or not is_instrumentation_enabled():
                return
            # A destructor that logs may interrupt the provider, which holds locks.
            self._serial.run(self._emit, record.name, self._translated(record))
        except Exception:  # noqa: BLE001 - the record has been with the application's handlers
            fault("logs.export")

    def _emit(self, name: str, record: LogRecord) -> None:
        try:
            self._provider.get_logger(name).emit(record)
        except Exception:  # noqa: BLE001 - as above, of another thread too
            fault("logs.export")

    def _translated(self, record: logging.LogRecord) -> LogRecord:
        number, text = next((number, text) for level, number, text in _SEVERITIES if record.levelno >= level)
        attributes: dict[str, str | bool | int | float] = {
            "code.file.path": record.pathname,
            "code.function.name": record.funcName,
            "code.line.number": record.lineno,
        }
        exception = record.exc_info[1] if record.exc_info else None
        known = reduction(*_exceptions(record), *([] if exception is None else [exception]))
        for name in self._attributes:
            value = getattr(record, name, None)
            if isinstance(value, str):
                attributes[name] = _printable(known.reduce(value))
            elif isinstance(value, bool | int | float):
                attributes[name] = value
        if exception is not None:
            attributes["exception.type"] = exception_type(exception)
            with suppress(Exception):  # a class of the application may redefine what Python reads
                attributes[_STACK] = _stack(exception)
        return LogRecord(
            timestamp=int(record.created * 1e9),
            observed_timestamp=time.time_ns(),
            context=get_current(),
            severity_number=number,
            severity_text=text,
            body=_printable(known.reduce(_text(record))),
            attributes=attributes,
        )


def _is_of(name: str, loggers: tuple[str, ...]) -> bool:
    return name.startswith(loggers) and any(name == one or name.startswith(f"{one}.") for one in loggers)


def _printable(text: str) -> str:
    """Make a text printable, up to the length that its redaction reads."""
    return printable(text[: _BODY_CHARACTERS + MARGIN])


def _text(record: logging.LogRecord) -> str:
    """Return the message of a record. Objects of the application are not formatted again if a handler did that."""
    if any(is_reduced(type(value)) for value in _exceptions(record)):
        record = _without_reports(record)
    message = vars(record).get("message")
    if isinstance(message, str) and not _is_plain(record):
        return message
    try:
        return record.getMessage()
    except (Exception, SystemExit):  # noqa: BLE001 - arguments that do not fit, or `str` of an application's object
        return record.msg if isinstance(record.msg, str) else f"<{type(record.msg).__name__}>"


def _without_reports(record: logging.LogRecord) -> logging.LogRecord:
    """Copy a record, with database errors in its message and arguments reduced."""
    changed = copy(record)
    changed.msg = _reduced(record.msg)
    if isinstance(record.args, Mapping):
        changed.args = {name: _reduced(value) for name, value in record.args.items()}
    else:
        changed.args = tuple(map(_reduced, record.args or ()))
    return changed


def _reduced(value: Any) -> Any:
    return inline(value) if is_exception(value) and is_reduced(type(value)) else value


def _is_plain(record: logging.LogRecord) -> bool:
    args = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    return type(record.msg) is str and all(type(value) in _PLAIN for value in args)


def _exceptions(record: logging.LogRecord) -> Iterator[BaseException]:
    """Yield the exceptions that the message of a record is made of, e.g. the results of `asyncio.gather`."""
    waiting: list[Any] = [record.msg, record.args]
    for _ in range(_MAX_VALUES):
        if not waiting:
            return
        value = waiting.pop()
        if is_exception(value):
            yield value
        elif type(value) is dict:
            waiting += islice(value.values(), _MAX_VALUES)
        elif type(value) in _CONTAINERS:
            waiting += islice(value, _MAX_VALUES)


def _stack(exception: BaseException) -> str:
    """Where it was raised, and by what. No message: those of drivers have values in them."""
    found: list[str] = []
    seen: set[int] = set()
    one: BaseException | None = exception
    while one is not None and id(one) not in seen and len(seen) < _CAUSES:
        seen.add(id(one))
        found.insert(0, _frames(one))
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\n\n".join(found)


def _frames(exception: BaseException) -> str:
    lines: list[str] = []
    at = exception.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {at.tb_lineno}, in {code.co_qualname}')
        at = at.tb_next
    return "\n".join(("Traceback (most recent call last):", *lines[-_FRAMES:], exception_type(exception)))
