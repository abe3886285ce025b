"""Spans by opentelemetry-instrumentation-sqlalchemy, made to say no more than they may and by the stable names.

Upstream's tracer of an engine starts and ends the spans. It puts the statement with its literals on them, and the
driver's message, which may hold values, and the database's name, which may be a path, in the span's name; its
attributes have the old names unless an environment variable says otherwise. The tracer that it is given here mends it.
"""

from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from sqlalchemy.engine import Engine

from ._statements import Statements
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

# https://opentelemetry.io/docs/specs/semconv/registry/attributes/db/#db-system-name
_SYSTEMS = {"oracle": "oracle.db", "mssql": "microsoft.sql_server"}


def system_name(dialect: str) -> str:
    """The conventions' name of a database system, by SQLAlchemy's name of the dialect."""
    return _SYSTEMS.get(dialect, dialect)


class StatementSpan:
    """The part of a span that upstream's tracer uses, over a real span."""

    def __init__(self, span: Span, statements: Statements, dialect: str) -> None:
        self._span = span
        self._statements = statements
        self._dialect = dialect
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
        statement = self._statements.of_text(text)
        named = statement.table != UNKNOWN
        self._span.update_name(f"{statement.operation} {statement.table}" if named else statement.operation)
        self._span.set_attribute("db.system.name", system_name(self._dialect))
        self._span.set_attribute("db.operation.name", statement.operation)
        if named:
            self._span.set_attribute("db.collection.name", statement.table)
        backslashes = self._dialect in ("mysql", "mariadb")
        self._span.set_attribute("db.query.text", without_literals(text, backslashes=backslashes))

    def set_status(self, _status: Status) -> None:
        """Leave the status to `fail`: upstream's holds the driver's message."""

    def fail(self, error_type: str, code: str | None) -> None:
        """Say that the statement failed, by the exception's class and the database's code only."""
        self._span.set_attribute("error.type", error_type)
        if code:
            self._span.set_attribute("db.response.status_code", code)
        self._span.set_status(Status(StatusCode.ERROR, f"{error_type} {code}" if code else error_type))


class _StatementTracer:
    """The part of a tracer that upstream's tracer of an engine uses."""

    def __init__(self, tracer: Tracer, statements: Statements, dialect: str) -> None:
        self._tracer = tracer
        self._statements = statements
        self._dialect = dialect

    def start_span(self, _name: str, kind: SpanKind) -> StatementSpan:
        # Upstream's name holds the database's; the statement gives a better one as soon as it is known.
        return StatementSpan(self._tracer.start_span(self._dialect, kind=kind), self._statements, self._dialect)


class EngineSpans:
    """Has each engine traced once, from its first connection on.

    Parameters:
        tracer: Makes the spans.
        statements: Reads the statements.
    """

    def __init__(self, tracer: Tracer, statements: Statements) -> None:
        self._tracer = tracer
        self._statements = statements
        self._engines: WeakSet[Engine] = WeakSet()
        self._connections_usage = NoOpMeterProvider().get_meter("").create_up_down_counter("connections")

    def trace(self, engine: Engine) -> None:
        """Trace an engine, unless the application has upstream's instrumentation trace it already."""
        if _is_traced(engine):
            return
        self._engines.add(engine)
        dialect = engine.dialect.name
        tracer: Any = EngineTracer  # upstream's class is not typed
        tracer(_StatementTracer(self._tracer, self._statements, dialect), engine, self._connections_usage)

    def stop(self) -> None:
        """Remove upstream's listeners from the engines traced here."""
        from sqlalchemy import event

        kept = []
        for item in EngineTracer._remove_event_listener_params:  # noqa: SLF001 - upstream removes all or none
            target, identifier, function = item
            engine = target()
            if engine in self._engines:
                event.remove(engine, identifier, function)
            else:
                kept.append(item)
        EngineTracer._remove_event_listener_params[:] = kept  # noqa: SLF001 - as above


def _is_traced(engine: Engine) -> bool:
    listeners = EngineTracer._remove_event_listener_params  # noqa: SLF001 - there is no public way to ask
    return any(target() is engine for target, _, _ in listeners)
