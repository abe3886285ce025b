"""Spans by opentelemetry-instrumentation-sqlalchemy, made to say no more than they may and by the stable names.

Upstream's tracer of an engine starts the spans. It puts the statement with its literals on them, and the database's
name, which may be a path, in the span's name; its attributes have the old names unless an environment variable says
otherwise. The tracer that it is given here mends it. Upstream's handler of errors, which shows the driver's message, is
not used.
"""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from sqlalchemy.engine import Engine

from .._guard import fault
from ._statements import MAX_TEXT_LENGTH, MAX_TEXTS, Statements
from ._text import UNKNOWN, without_literals

# The stable names (https://opentelemetry.io/docs/specs/semconv/db/database-spans/) of what upstream sets; anything
# else that it sets, the database's user among them, stays here.
_KEPT: Mapping[str, str] = {
    "db.name": "db.namespace",
    "db.namespace": "db.namespace",
    "net.peer.name": "server.address",
    "server.address": "server.address",
    "net.peer.port": "server.port",
    "server.port": "server.port",
}
_STATEMENT = ("db.statement", "db.query.text")
_SPAN = "_wxiai_otel_span"

# https://opentelemetry.io/docs/specs/semconv/registry/attributes/db/#db-system-name
_SYSTEMS = {"oracle": "oracle.db", "mssql": "microsoft.sql_server"}


def system_name(dialect: str) -> str:
    """The conventions' name of a database system, by SQLAlchemy's name of the dialect."""
    return _SYSTEMS.get(dialect, dialect)


class StatementSpan:
    """The part of a span that upstream's tracer uses, over a real span."""

    def __init__(self, span: Span, descriptions: "_Descriptions") -> None:
        self._span = span
        self._descriptions = descriptions
        self._described = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)

    def set_attribute(self, key: str, value: Any) -> None:
        if key in _STATEMENT and not self._described:
            self._described = True
            self._describe(str(value))
        elif kept := _KEPT.get(key):
            self._span.set_attribute(kept, value)

    def _describe(self, text: str) -> None:
        name, attributes = self._descriptions.of(text)
        self._span.update_name(name)
        self._span.set_attributes(attributes)

    def end(self) -> None:
        """End it once: an error in fetching comes after the end."""
        if self._span.is_recording():
            self._span.end()

    def fail(self, error_type: str, code: str | None) -> None:
        """Say that the statement failed, by the exception's class and the database's code only."""
        if not self._span.is_recording():
            return
        self._span.set_attribute("error.type", error_type)
        if code:
            self._span.set_attribute("db.response.status_code", code)
        self._span.set_status(Status(StatusCode.ERROR, f"{error_type} {code}" if code else error_type))


class _Descriptions:
    """What spans say of the statements of one dialect, by their text: reading it again costs more than the span.

    Parameters:
        statements: Reads the statements.
        dialect: SQLAlchemy's name of it.
    """

    def __init__(self, statements: Statements, dialect: str) -> None:
        self._statements = statements
        self._dialect = dialect
        self._known: dict[str, tuple[str, dict[str, str]]] = {}

    def of(self, text: str) -> tuple[str, dict[str, str]]:
        """The name and the attributes of a statement's span; the same dictionary each time, not to be changed."""
        found = self._known.get(text)
        if found is None:
            found = self._read(text)
            if len(text) <= MAX_TEXT_LENGTH:
                if len(self._known) >= MAX_TEXTS:
                    self._known.clear()
                self._known[text] = found
        return found

    def _read(self, text: str) -> tuple[str, dict[str, str]]:
        statement = self._statements.of_text(text)
        attributes = {"db.system.name": system_name(self._dialect), "db.operation.name": statement.operation}
        name = statement.operation
        if statement.table != UNKNOWN:
            attributes["db.collection.name"] = statement.table
            name = f"{statement.operation} {statement.table}"
        backslashes = self._dialect in ("mysql", "mariadb")
        attributes["db.query.text"] = without_literals(text, backslashes=backslashes)
        return name, attributes


class _StatementTracer:
    """The part of a tracer that upstream's tracer of an engine uses."""

    def __init__(self, tracer: Tracer, statements: Statements, dialect: str) -> None:
        self._tracer = tracer
        self._dialect = dialect
        self._descriptions = _Descriptions(statements, dialect)

    def start_span(self, _name: str, kind: SpanKind) -> StatementSpan:
        # Upstream's name holds the database's; the statement gives a better one as soon as it is known.
        return StatementSpan(self._tracer.start_span(self._dialect, kind=kind), self._descriptions)


class _EngineTracer(EngineTracer):
    """Upstream's tracer of an engine, called instead of listening.

    Listeners cannot be added to an engine that is in use: another thread may be going through them.
    """

    @classmethod
    def _register_event_listener(cls, *_arguments: Any, **_options: Any) -> None:
        """Listen to nothing."""


class EngineSpans:
    """Makes the spans of the engines that it is told to trace.

    Parameters:
        tracer: Makes the spans.
        statements: Reads the statements.
    """

    def __init__(self, tracer: Tracer, statements: Statements) -> None:
        self._tracer = tracer
        self._statements = statements
        self._tracers: WeakKeyDictionary[Engine, Any] = WeakKeyDictionary()

    def trace(self, engine: Engine) -> None:
        """Trace an engine, unless the application has upstream's instrumentation trace it already."""
        if not _is_traced(engine):
            make: Any = _EngineTracer  # upstream's class is not typed
            tracer = _StatementTracer(self._tracer, self._statements, engine.dialect.name)
            self._tracers[engine] = make(tracer, engine, connections_usage=None)

    def start(self, engine: Engine, event_arguments: tuple[Any, ...]) -> None:
        """Begin the span of a statement.

        Parameters:
            engine: Executes it.
            event_arguments: Of SQLAlchemy's event before_cursor_execute.
        """
        tracer = self._tracers.get(engine)
        if tracer is not None:
            context = event_arguments[4]
            tracer._before_cur_exec(*event_arguments)  # noqa: SLF001 - upstream's listener
            setattr(context, _SPAN, getattr(context, "_otel_span", None))

    @staticmethod
    def end(context: Any, error_type: str | None = None, code: str | None = None) -> None:
        """End the span of a statement, with its error where it failed."""
        span: StatementSpan | None = getattr(context, _SPAN, None)
        if span is None:
            return
        try:
            if error_type is not None:
                span.fail(error_type, code)
            span.end()
        except Exception:  # noqa: BLE001 - the statement is still to be counted
            fault("sql.span")


def _is_traced(engine: Engine) -> bool:
    listeners = EngineTracer._remove_event_listener_params  # noqa: SLF001 - there is no public way to ask
    return any(target() is engine for target, _, _ in listeners)
