"""Listening to every engine of the process, sync and async, made before or after.

The listeners are on SQLAlchemy's classes: an engine or a connection made earlier is heard from now on. Each cursor
execution is one event, whatever made it: an ``executemany`` is one, a batch of ``insertmanyvalues`` is one each.
"""

from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.trace import TracerProvider
from sqlalchemy.engine import Connection, Engine, ExceptionContext

from .._client_spans import ClientSpans, failure_of
from .._guard import fault
from .._own import is_own_traffic
from ..instruments import Instruments
from ..settings import Settings
from ._errors import is_deadlock, sqlstate
from ._listeners import Listener, listen, stop_listening
from ._pools import Pools
from ._spans import EngineSpans, is_traced, system_name
from ._statements import Statements

_EXECUTION = "_wxiai_otel_execution"
_UNMET: Any = object()


class SqlInstrumentation:
    """What `instrument_sql` has put in place."""

    def __init__(self, settings: Settings, instruments: Instruments, tracer_provider: TracerProvider) -> None:
        named = {label: _sync(engine) for label, engine in (settings.engines or {}).items()}
        self._met: WeakKeyDictionary[Engine, EngineSpans | None] = WeakKeyDictionary()
        self._slow = settings.slow_query_seconds
        self._statements = Statements(settings.max_tables)
        self._pools = Pools(named, settings.max_pools)
        self._client_spans = ClientSpans(tracer_provider)
        self._duration = instruments["db.client.operation.duration"]
        self._slow_queries = instruments["db.slow_queries"]
        self._deadlocks = instruments["db.deadlocks"]
        instruments.observe("db.connection_pool.size", self._pools.observe_size)
        instruments.observe("db.connection_pool.usage", self._pools.observe_usage)
        for engine in named.values():
            self._meet(engine)
        self._listener = Listener(
            engine_connect=self._on_connect,
            before_cursor_execute=self._before,
            after_cursor_execute=self._after,
            handle_error=self._on_error,
            checkout=self._pools.checkout,
            checkin=self._pools.checkin,
        )
        listen(self._listener)

    @property
    def engines(self) -> list[Engine]:
        """The engines seen that are alive."""
        return self._pools.engines

    def uninstrument(self) -> None:
        """Stop listening."""
        stop_listening(self._listener)

    def _on_connect(self, connection: Connection) -> None:
        if is_own_traffic():
            return  # the engine is one of our own
        try:
            if connection.engine not in self._met:
                self._meet(connection.engine)
        except Exception:  # noqa: BLE001 - the connection is used all the same
            fault("sql.connect")

    def _meet(self, engine: Engine) -> EngineSpans | None:
        """See an engine, for the first time: its deadlocks begin at 0, and its statements are traced."""
        root = _root(engine)
        spans = self._met.get(root)
        try:
            if root not in self._met:
                label = self._pools.label(root)
                if label is not None:
                    self._deadlocks.record(0, (label,))
                # An application that has upstream's instrumentation trace the engine keeps those spans.
                spans = None if is_traced(root) else EngineSpans(root, self._client_spans)
        finally:
            # Last: its first connections may be opened at the same time, and each is to find it traced.
            self._met[root] = self._met[engine] = spans
        return spans

    def _before(self, connection: Connection, cursor: Any, text: str, context: Any) -> None:
        if context is None or is_own_traffic():
            return
        statement = span = None
        try:
            statement = self._statements.of(context, text)
            spans = self._met.get(connection.engine, _UNMET)
            if spans is _UNMET:  # its connection is older than this listener
                spans = self._meet(connection.engine)
            if spans is not None:
                span = spans.start(statement, text, cursor)
        except Exception:  # noqa: BLE001 - the statement is executed all the same
            fault("sql.before")
        setattr(context, _EXECUTION, (perf_counter(), statement, span))

    def _after(self, connection: Connection, context: Any) -> None:
        self._end(connection, context, None)

    def _on_error(self, failure: ExceptionContext) -> None:
        try:
            exception = failure.original_exception
            connection = failure.connection
            if connection is None:
                return
            # Only the class of any other exception is read, because its attributes may run application code.
            drivers = isinstance(exception, connection.dialect.loaded_dbapi.Error)
            if failure.execution_context is not None:
                self._end(connection, failure.execution_context, exception, drivers=drivers)
            # A COMMIT has no context: deferred constraints may deadlock in it.
            if drivers and is_deadlock(connection.dialect.name, exception) and not is_own_traffic():
                label = self._pools.label(_root(connection.engine))
                if label is not None:
                    self._deadlocks.record(1, (label,))
        except Exception:  # noqa: BLE001 - the exception goes its way
            fault("sql.error")

    def _end(
        self, connection: Connection, context: Any, exception: BaseException | None, *, drivers: bool = False
    ) -> None:
        execution = getattr(context, _EXECUTION, None)
        if execution is None:
            return  # an error in fetching: the execution has been counted
        started, statement, span = execution
        seconds = perf_counter() - started
        setattr(context, _EXECUTION, None)
        error_type = None
        try:
            if exception is not None:
                error_type = type(_drivers(exception)).__name__
            if statement is not None:
                system = system_name(connection.dialect.name)
                self._duration.record(seconds, (statement.table, statement.operation, system, error_type))
                if seconds > self._slow:
                    self._slow_queries.record(1, (statement.table, statement.operation))
        except Exception:  # noqa: BLE001 - the span is still to be ended
            fault("sql.record")
        try:
            if span is not None:
                if exception is None:
                    span.end()
                else:
                    code = sqlstate(exception) if drivers else None
                    span.end(*failure_of(error_type or type(exception).__name__, code))
        except Exception:  # noqa: BLE001 - the statement has been executed
            fault("sql.span")


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
