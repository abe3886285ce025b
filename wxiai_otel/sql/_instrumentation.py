"""Listening to every engine of the process, sync and async, made before or after.

The listeners are on SQLAlchemy's classes: an engine or a connection made earlier is heard from now on. Each cursor
execution is one event, whatever made it: an ``executemany`` is one, a batch of ``insertmanyvalues`` is one each.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any
from weakref import WeakSet

from opentelemetry.trace import TracerProvider
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext
from sqlalchemy.pool import Pool

from .._guard import fault
from .._own import is_own_traffic
from .._version import SCOPE_NAME, VERSION
from ..instruments import Instruments
from ..settings import Settings
from ._errors import is_deadlock, sqlstate
from ._pools import Pools
from ._spans import EngineSpans, system_name
from ._statements import Statements

_STARTED = "_wxiai_otel_started"


class SqlInstrumentation:
    """What `instrument_sql` has put in place."""

    def __init__(self, settings: Settings, instruments: Instruments, tracer_provider: TracerProvider) -> None:
        named = {label: _sync(engine) for label, engine in (settings.engines or {}).items()}
        self._met: WeakSet[Engine] = WeakSet()
        self._slow = settings.slow_query_seconds
        self._statements = Statements(settings.max_tables)
        self._pools = Pools(named, settings.max_pools)
        self._spans = EngineSpans(tracer_provider.get_tracer(SCOPE_NAME, VERSION), self._statements)
        self._duration = instruments["db.client.operation.duration"]
        self._slow_queries = instruments["db.slow_queries"]
        self._deadlocks = instruments["db.deadlocks"]
        instruments.observe("db.connection_pool.size", self._pools.observe_size)
        instruments.observe("db.connection_pool.usage", self._pools.observe_usage)
        for engine in named.values():
            self._meet(engine)
        self._listeners: list[tuple[type, str, Callable[..., Any]]] = [
            (Engine, "engine_connect", self._on_connect),
            (Engine, "before_cursor_execute", self._before),
            (Engine, "after_cursor_execute", self._after),
            (Engine, "handle_error", self._on_error),
            (Pool, "checkout", self._pools.checkout),
            (Pool, "checkin", self._pools.checkin),
            (Pool, "detach", self._pools.checkin),
        ]
        for target, name, listener in self._listeners:
            event.listen(target, name, listener)

    @property
    def engines(self) -> list[Engine]:
        """The engines seen that are alive."""
        return self._pools.engines

    def uninstrument(self) -> None:
        """Stop listening."""
        for target, name, listener in self._listeners:
            if event.contains(target, name, listener):
                event.remove(target, name, listener)

    def _on_connect(self, connection: Connection) -> None:
        if is_own_traffic():
            return  # the engine is one of our own
        try:
            self._meet(_root(connection.engine))
        except Exception:  # noqa: BLE001 - the connection is used all the same
            fault("sql.connect")

    def _meet(self, engine: Engine) -> None:
        """See an engine, for the first time: its deadlocks begin at 0, and its statements are traced."""
        if engine in self._met:
            return
        try:
            label = self._pools.label(engine)
            if label is not None:
                self._deadlocks.record(0, (label,))
            self._spans.trace(engine)
        finally:
            # Last: its first connections may be opened at the same time, and each is to find it traced.
            self._met.add(engine)

    def _before(self, *event_arguments: Any) -> None:
        context = event_arguments[4]
        if context is None or is_own_traffic():
            return
        try:
            engine = _root(event_arguments[0].engine)
            self._meet(engine)  # its connection may be older than this listener
            self._spans.start(engine, event_arguments)
        except Exception:  # noqa: BLE001 - the statement is executed all the same
            fault("sql.before")
        setattr(context, _STARTED, perf_counter())

    def _after(self, connection: Connection, _cursor: Any, text: str, _parameters: Any, context: Any, _: Any) -> None:
        try:
            self._spans.end(context)
            self._record(connection, context, text, None)
        except Exception:  # noqa: BLE001 - the statement has been executed
            fault("sql.after")

    def _on_error(self, failure: ExceptionContext) -> None:
        try:
            exception = failure.original_exception
            connection = failure.connection
            if connection is None:
                return
            if failure.execution_context is not None:
                error_type = type(_drivers(exception)).__name__
                self._spans.end(failure.execution_context, error_type, sqlstate(exception))
                self._record(connection, failure.execution_context, failure.statement or "", error_type)
            # A COMMIT has no context: deferred constraints may deadlock in it.
            if is_deadlock(connection.dialect.name, exception) and not is_own_traffic():
                label = self._pools.label(_root(connection.engine))
                if label is not None:
                    self._deadlocks.record(1, (label,))
        except Exception:  # noqa: BLE001 - the exception goes its way
            fault("sql.error")

    def _record(self, connection: Connection, context: Any, text: str, error_type: str | None) -> None:
        started = getattr(context, _STARTED, None)
        if started is None:
            return  # an error in fetching: the execution has been counted
        seconds = perf_counter() - started
        setattr(context, _STARTED, None)
        statement = self._statements.of(context, text)
        system = system_name(connection.dialect.name)
        self._duration.record(seconds, (statement.table, statement.operation, system, error_type))
        if seconds > self._slow:
            self._slow_queries.record(1, (statement.table, statement.operation))


def instrument_sql(settings: Settings, instruments: Instruments, tracer_provider: TracerProvider) -> SqlInstrumentation:
    """Instrument SQLAlchemy in this process.

    Parameters:
        settings: engines, slow_query_seconds, max_tables and max_pools.
        instruments: Record the metrics.
        tracer_provider: Makes the spans.
    """
    return SqlInstrumentation(settings, instruments, tracer_provider)


def _sync(engine: Any) -> Engine:
    """The engine beneath an AsyncEngine, or the engine itself."""
    found: Engine = getattr(engine, "sync_engine", engine)
    return _root(found)


def _root(engine: Any) -> Engine:
    """The engine that owns pool and events: ``execution_options()`` makes engines that only refer to it."""
    while (proxied := getattr(engine, "_proxied", None)) is not None:
        engine = proxied
    found: Engine = engine
    return found


def _drivers(exception: BaseException) -> BaseException:
    """The driver's own exception, where SQLAlchemy's adapter of an asyncio driver has put one of its own before it."""
    if type(exception).__module__.startswith("sqlalchemy.") and exception.__cause__ is not None:
        return exception.__cause__
    return exception
