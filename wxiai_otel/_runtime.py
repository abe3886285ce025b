"""What one process has once, however many applications in it are set up: providers, instruments, SQL and Redis."""

import importlib.util
import logging
import platform
import threading
from typing import Any, Protocol

from opentelemetry.trace import Tracer

from ._guard import fault, guarded
from ._version import SCOPE_NAME, VERSION
from .http import InFlight, install_route_hooks, remove_route_hooks
from .instruments import Instruments
from .logs import LogCorrelation
from .prometheus import EmbeddedReader
from .providers import Providers, build_providers, build_resource
from .settings import Settings

logger = logging.getLogger("wxiai_otel")


class Instrumentation(Protocol):
    """What can be undone."""

    def uninstrument(self) -> None:
        """Undo it."""


class Runtime:
    """The telemetry of this process. Made by the first `setup_telemetry`, ended with the last application's.

    Parameters:
        settings: Of the first application.
        title: The application's title, the service name where none is given.
        version: The application's version.
    """

    def __init__(self, settings: Settings, title: str, version: str) -> None:
        self.settings = settings
        self.applications = 0
        resource = build_resource(settings, title, version)
        self.reader = EmbeddedReader()
        self.providers: Providers = build_providers(settings, resource, [self.reader])
        self.tracer: Tracer = self.providers.tracer_provider.get_tracer(SCOPE_NAME, VERSION)
        self.instruments = Instruments(
            self.providers.meter_provider.get_meter(SCOPE_NAME, VERSION), settings.max_series
        )
        self.requests = InFlight()
        self.websockets = InFlight()
        attributes = resource.attributes
        info = tuple(
            str(attributes.get(key, "unknown")) or "unknown"
            for key in ("service.version", "deployment.environment.name")
        )
        service = str(attributes["service.name"])
        self.instruments.observe("system.info", lambda: (((*info, platform.python_version(), service), 1),))
        self._instrumentations: list[Instrumentation] = []
        if settings.http:
            install_route_hooks()
            self.instruments.observe("http.server.active_requests", self.requests.observe)
            self.instruments.observe("websocket.connections", self.websockets.observe)
        self._logs = LogCorrelation(service) if settings.log_correlation else None
        if settings.sql:
            self._instrument("sqlalchemy", "sql")
        if settings.redis:
            self._instrument("redis", "redis")
        # Before the interpreter waits for threads: exporters can still work, and processes of multiprocessing, as
        # uvicorn's workers are, come by here but not by atexit.
        _register_atexit(self.shutdown)

    def _instrument(self, library: str, piece: str) -> None:
        if importlib.util.find_spec(library) is None:
            return
        try:
            module: Any = importlib.import_module(f"wxiai_otel.{piece}")
            instrument = getattr(module, f"instrument_{piece}")
            self._instrumentations.append(instrument(self.settings, self.instruments, self.providers.tracer_provider))
        except Exception:  # noqa: BLE001 - the application starts without this piece
            fault(f"instrument.{piece}")

    def shutdown(self) -> None:
        """Stop instrumenting, export what is pending and end. Takes no longer than the setting shutdown_timeout."""
        global _runtime
        with _lock:
            if _runtime is not self:
                return
            _runtime = None
        for instrumentation in self._instrumentations:
            guarded("uninstrument")(instrumentation.uninstrument)()
        if self._logs is not None:
            self._logs.stop()
        remove_route_hooks()
        self.providers.shutdown()


_runtime: Runtime | None = None
_lock = threading.RLock()


def acquire(settings: Settings, title: str, version: str) -> Runtime:
    """The process' runtime for one more application."""
    global _runtime
    with _lock:
        if _runtime is None:
            _runtime = Runtime(settings, title, version)
        _runtime.applications += 1
        return _runtime


def release(runtime: Runtime) -> None:
    """One application less; with the last one the runtime ends."""
    with _lock:
        runtime.applications -= 1
        last = runtime.applications <= 0
    if last:
        runtime.shutdown()


def _register_atexit(function: Any) -> None:
    register = getattr(threading, "_register_atexit", None)
    if register is None:
        import atexit

        register = atexit.register
    register(function)
