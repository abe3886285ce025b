"""Process-wide telemetry state, shared by all applications: providers, instruments, SQL and Redis."""

import importlib.util
import logging
import platform
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Tracer

from ._background import in_forked_child, paused, paused_threads, resume
from ._borrowed import borrowed_settings
from ._business import BusinessTelemetry
from ._deadline import LEAST_SECONDS, Allowance
from ._exit import at_exit
from ._guard import fault, guarded
from ._health import health_checks
from ._questions import NothingToAsk
from ._storage import Storage, storage_suffices
from ._under_test import attach, in_memory
from ._version import SCOPE_NAME, VERSION
from .http import InFlight, install_route_hooks, remove_route_hooks
from .instruments import Instruments
from .logs import LogCorrelation
from .providers import Providers, build_providers, build_resource, sdk_tracer_provider
from .settings import Settings
from .tracing import DeferredSpans

if TYPE_CHECKING:
    from .logs._export import LogExport

logger = logging.getLogger("wxiai_otel")

_PAUSE_SECONDS = 0.01


class Runtime:
    """The telemetry of this process, from the first `setup_telemetry` to the shutdown of the last application.

    It outlives applications that are dropped without a shutdown. See `acquire`.

    Parameters:
        settings: The settings of the first application.
        title: The application's title, which is the default service name.
        version: The application's version.
    """

    def __init__(self, settings: Settings, title: str, version: str) -> None:
        self.settings = settings = borrowed_settings(settings)
        self.applications = 0
        self.allowance = Allowance(settings.shutdown_timeout)
        self.watch: BusinessTelemetry | None = None
        # Called in reverse order at shutdown, before the last export.
        self._ends: list[Callable[[], object]] = []
        # Imported here to keep the import of the package fast.
        from .prometheus import EmbeddedReader

        resource = build_resource(settings, title, version)
        storage = Storage()
        self.reader = EmbeddedReader(storage, with_application=settings.prometheus_client)
        self.providers: Providers = build_providers(settings, resource, [self.reader], storage)
        attach(sdk_tracer_provider(self.providers.tracer_provider))
        self.tracer: Tracer = self.providers.tracer_provider.get_tracer(SCOPE_NAME, VERSION)
        self.instruments = Instruments(
            self.providers.meter_provider.own_meter(SCOPE_NAME, VERSION),
            settings.max_series,
            storage if storage_suffices() else None,
            self.providers.meter_provider.observe_refused,
        )
        self.receives_spans = self.providers.receives_spans
        self.deferred_spans = DeferredSpans.of(self.tracer, self.providers.tail)
        self.requests = InFlight()
        self.websockets = InFlight()
        attributes = resource.attributes
        info = tuple(
            str(attributes.get(key, "unknown")) or "unknown"
            for key in ("service.version", "deployment.environment.name")
        )
        service = str(attributes["service.name"])
        self.instruments.observe("system.info", lambda: (((*info, platform.python_version(), service), 1),))
        if (tail := self.providers.tail) is not None:
            self.instruments.observe("wxiai_otel.traces.overflowed", tail.observe_overflowed)
        sending = self.providers.sending
        self.instruments.observe("wxiai_otel.exports", sending.observe_exports)
        self.instruments.observe("wxiai_otel.exports.duration", sending.observe_seconds)
        self.instruments.observe("wxiai_otel.items.dropped", sending.observe_dropped)
        self.instruments.observe("wxiai_otel.spans.queue.utilization", sending.observe_usage)
        try:
            self._begin(settings, service)
        except BaseException:
            self._end(time.monotonic())
            raise
        in_forked_child(self._after_fork)
        at_exit(shutdown_current, flush_current)

    def _begin(self, settings: Settings, service: str) -> None:
        if settings.http:
            install_route_hooks()
            self.instruments.observe("http.server.active_requests", self.requests.observe)
            self.instruments.observe("websocket.connections", self.websockets.observe)
            self._ends.append(remove_route_hooks)
        if settings.log_correlation:
            self._ends.append(LogCorrelation(service).stop)
        if (log_export := _log_export(self.providers, settings)) is not None:
            self._ends.append(log_export.stop)
        self.sql = self._instrument("sqlalchemy", "sql") if settings.sql else None
        state = guarded("redis.state")(_shared_state)(settings)
        self.redis = self._instrument("redis", "redis", state.see if state else None) if settings.redis else None
        self.watch = guarded("business.begin")(BusinessTelemetry)(
            settings, self.instruments, self.tracer, state, self._ask_sql
        )
        self.health = health_checks(settings, lambda: self.engines, self.redis)
        self.instruments.observe("health_check.status", self.health.observe)
        self._ends.append(self.health.stop)
        self.health.start()
        # Answer scrapes together with the other workers.
        guarded("workers.join")(self.reader.join)(
            settings.workers_folder, lambda: self.providers.instance, settings.max_series
        )

    def start_serving(self) -> None:
        """Resume in a forked worker before it counts anything, and allow the next shutdown its whole time."""
        resume()
        self.allowance.refill()

    def _after_fork(self) -> None:
        self.allowance.refill()
        self.reader.after_fork()

    def _instrument(self, library: str, piece: str, *further: Any) -> Any:
        if importlib.util.find_spec(library) is None:
            return None
        try:
            module: Any = importlib.import_module(f"wxiai_otel.{piece}")
            instrument = getattr(module, f"instrument_{piece}")
            made = instrument(self.settings, self.instruments, self.providers.tracer_provider, *further)
            self._ends.append(made.uninstrument)
        except Exception:  # noqa: BLE001 - the application starts without this piece
            fault(f"instrument.{piece}")
            return None
        return made

    @property
    def engines(self) -> list[Any]:
        """The engines of SQLAlchemy seen, the named ones first."""
        return self.sql.engines if self.sql is not None else []

    def _ask_sql(self, statement: str, timeout: float) -> Any:
        from .sql import ask

        named = getattr(self.settings.gauge_engine, "sync_engine", self.settings.gauge_engine)
        engines = [named] if named is not None else self.engines
        if not engines:
            raise NothingToAsk
        return ask(engines[0], statement, timeout)

    def force_flush(self, timeout: float | None = None) -> bool:
        """Settle and export what is pending.

        Parameters:
            timeout: Seconds this may take; by default the setting shutdown_timeout.

        Returns:
            Whether all was exported in time.
        """
        return self._flush(time.monotonic() + (self.settings.shutdown_timeout if timeout is None else timeout))

    def flush_at_end(self) -> bool:
        """Settle and export pending data as part of a shutdown. Return whether everything was exported in time."""
        # uvicorn may end by its signal after this, which runs no exit hook.
        guarded("workers.publish")(self.reader.publish)()
        with self.allowance.spent() as deadline:
            return self._flush(deadline)

    def _flush(self, deadline: float) -> bool:
        settled = self.watch is None or self.watch.flush(_left(deadline) / 2)
        return self.providers.force_flush(_left(deadline)) and settled

    def shutdown(self) -> None:
        """Stop instrumenting, export pending data and shut down, within the setting shutdown_timeout.

        Flushes at the end of lifespans count towards that time.
        """
        global _runtime
        with _lock:
            if _runtime is not self:
                return
            _runtime = None
            _ending.add(self)
        try:
            with self.allowance.spent(LEAST_SECONDS) as deadline:
                self._end(deadline)
        finally:
            _ending.discard(self)

    def _end(self, deadline: float) -> None:
        paused.clear()
        paused_threads.clear()
        if self.watch is not None:
            guarded("business.stop")(self.watch.stop)(_left(deadline) / 2)
        guarded("workers.leave")(self.reader.leave)()
        for end in reversed(self._ends):
            guarded("uninstrument")(end)()
        self.providers.shutdown(_left(deadline))
        self.instruments.end()

    def forget_application(self) -> None:
        """Decrement the number of applications, without a lock: the garbage collector may call this at any point."""
        self.applications -= 1

    def await_end(self) -> None:
        """Wait until another thread finishes the shutdown, at most until its deadline."""
        with self.allowance.spent(LEAST_SECONDS) as deadline:
            while self in _ending and _left(deadline):
                time.sleep(_PAUSE_SECONDS)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _log_export(providers: Providers, settings: Settings) -> "LogExport | None":
    if providers.logger_provider is None:
        return None
    from .logs._export import LogExport

    return LogExport(providers.logger_provider, settings.log_attributes)


def _shared_state(settings: Settings) -> Any:
    """Where all workers keep what they share; ``None``: nowhere."""
    if settings.state_redis == "memory" or importlib.util.find_spec("redis") is None:
        return None
    from .redis import StateRedis

    return StateRedis(settings.state_redis or settings.redis_client, settings.redis_poll_timeout, settings.state_prefix)


_runtime: Runtime | None = None
_ending: set[Runtime] = set()
_lock = threading.RLock()


def acquire(settings: Settings, title: str, version: str) -> Runtime:
    """Return the process's runtime and count one more application.

    The first application starts the runtime with its settings. If all its applications were dropped without a shutdown,
    the runtime is shut down first, and a new one starts.
    """
    global _runtime
    with _lock:
        if _runtime is not None and _runtime.applications <= 0:
            _runtime.shutdown()
        if _runtime is None:
            _runtime = Runtime(in_memory(settings), title, version)
            guarded("settings.unknown")(_warn_of_unknown_variables)()
        _runtime.applications += 1
        return _runtime


def _warn_of_unknown_variables() -> None:
    from .settings._unknown import warn_of_unknown_variables

    warn_of_unknown_variables()


def release(runtime: Runtime) -> None:
    """Release the runtime for an application whose telemetry is shut down. The last application shuts it down."""
    runtime.forget_application()
    if runtime.applications <= 0:
        runtime.shutdown()


def shutdown_current() -> None:
    """Shut down the telemetry of this process, or wait for a shutdown on another thread."""
    if (runtime := _runtime) is not None:
        runtime.shutdown()
    for ending in list(_ending):
        ending.await_end()


def flush_current() -> None:
    """Export what is pending in this process, as a part of its shutdown."""
    if (runtime := _runtime) is not None:
        runtime.flush_at_end()
