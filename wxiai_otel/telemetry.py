"""`setup_telemetry`: the one call, and the handle that it returns."""

import logging
import threading
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Unpack
from weakref import finalize, ref

from fastapi import FastAPI
from starlette.types import ASGIApp

from ._borrowed import borrowed
from ._guard import guarded
from ._health import health_checks
from ._redaction import compile_patterns
from ._runtime import Runtime, acquire, release
from .http import Http, Installation, Users, contrib, in_lifespan_startup, install, leave_to_us, restore
from .monitoring import HealthEndpoint, MetricsEndpoint, stats_endpoint
from .settings import Settings, load_settings

if TYPE_CHECKING:
    from .settings._arguments import SettingsArguments

logger = logging.getLogger("wxiai_otel")


class SetupError(RuntimeError):
    """`setup_telemetry` was called at a time, or on an object, for which it cannot work."""


class Telemetry:
    """The telemetry of one application, as `setup_telemetry` returns it.

    Attributes:
        settings: The settings in force.
    """

    def __init__(self, app: FastAPI, settings: Settings, stand_around: Callable[[], Installation]) -> None:
        self.settings = settings
        self._app = app
        self._runtime: Runtime | None = None
        self._native: dict[str, Any] = {}
        self._contrib = False
        self._ended = False
        # Kept here, so that the application keeps its checks alive. The process's telemetry does not.
        self._checks: dict[str, Callable[[], object]] = {}
        self._dropped: finalize[[], FastAPI] | None = None
        if not settings.disabled:
            guarded("setup.start")(self._start)()
        try:
            runtime = self._runtime
            self._health = runtime.health if runtime is not None else health_checks(settings, list, None)
            # After the start, so that our layers are outside those of http_engine="contrib".
            self._installation = stand_around()
            self._installation.endpoints = self._endpoints()
            if runtime is not None:
                guarded("setup.attach")(self._attach)(runtime)
        except BaseException:
            self._release()
            raise

    def _endpoints(self) -> dict[str, ASGIApp]:
        settings, runtime, prefix = self.settings, self._runtime, self.settings.prefix
        collect = runtime.reader.families if runtime is not None else list
        return {
            f"{prefix}/metrics": MetricsEndpoint(self.render_metrics, settings.metrics_token),
            f"{prefix}/health": HealthEndpoint(self._health, settings.health_cache),
            f"{prefix}/stats": stats_endpoint(
                self._app,
                f"{prefix}/stats",
                collect,
                settings.ai_services,
                settings.stats_dependency,
                Users(settings).find,
                settings.admin_roles,
            ),
        }

    def _start(self) -> None:
        """Join the telemetry of the process, and decide which instrumentation creates the server spans."""
        settings, app = self.settings, self._app
        self._runtime = acquire(settings, app.title, app.version)
        # Not a shutdown: pending data must still be exported after the application is dropped. The telemetry of the
        # process lives on until the process exits or another application is set up.
        self._dropped = finalize(app, self._runtime.forget_application)
        self._dropped.atexit = False
        if settings.http:
            self._native = leave_to_us(app)
            if contrib.is_instrumented(app):
                logger.info("opentelemetry-instrumentation-fastapi is in place: it keeps making the server spans")
            elif settings.http_engine == "contrib":
                _stand_aside(app)
                contrib.instrument(app, self._runtime.providers.tracer_provider)
                self._contrib = True

    def _attach(self, runtime: Runtime) -> None:
        """Connect the layers to the telemetry of the process."""
        self._installation.refill = runtime.start_serving
        self._installation.flush = runtime.flush_at_end
        if self.settings.http:
            own_spans = not contrib.is_instrumented(self._app)
            self._installation.http = Http(self.settings, runtime, own_spans=own_spans)

    def render_metrics(self, accept: str | None = None) -> tuple[bytes, str]:
        """The current values of all metrics.

        Parameters:
            accept: An HTTP Accept header: OpenMetrics where it is asked for, else Prometheus' text format.

        Returns:
            The exposition and its content type.
        """
        if self._runtime is None:
            return b"", "text/plain; version=0.0.4; charset=utf-8"
        return self._runtime.reader.render(accept)

    def add_health_check(self, name: str, check: Callable[[], object]) -> None:
        """Add a check to ``<prefix>/health`` and ``health_check_status``.

        Parameters:
            name: The name of the check.
            check: A function or coroutine function without arguments. It raises or returns False if it fails. A text
                that it returns is public.
        """
        self._checks[name] = check
        self._health.add(name, borrowed(check))

    def force_flush(self, timeout: float | None = None) -> bool:
        """Export what is pending.

        Parameters:
            timeout: Seconds this may take; by default the setting shutdown_timeout.

        Returns:
            Whether all was exported in time.
        """
        return self._runtime is None or self._runtime.force_flush(timeout)

    def shutdown(self) -> None:
        """Stop telemetry for this application. For the last one, export and stop the telemetry of the process too.

        Takes at most the setting shutdown_timeout. You need not call it: the exit of the process does.
        """
        with _lock:
            if self._ended:
                return
            self._ended = True
            _state(self._app).telemetry = None
        self._installation.clear()
        restore(self._app, self._native)
        if self._contrib:
            _stand_aside(self._app)
            guarded("contrib.uninstrument")(contrib.uninstrument)(self._app)
            _stand_around(self._app)
        self._release()

    def _release(self) -> None:
        if self._runtime is not None and self._dropped is not None and self._dropped.detach() is not None:
            release(self._runtime)


class _State:
    """The telemetry state of an application, stored in the application, so that both are freed together.

    Attributes:
        telemetry: Its telemetry; ``None`` before the setup and after the shutdown.
        installation: Its layers; ``None`` if none are installed.
    """

    def __init__(self, app: FastAPI) -> None:
        self.of = ref(app)
        self.telemetry: Telemetry | None = None
        self.installation: Installation | None = None


def _state(app: FastAPI) -> _State:
    found = vars(app).get(_ATTRIBUTE)
    # A copied application has the state of the original.
    if not isinstance(found, _State) or found.of() is not app:
        found = vars(app)[_ATTRIBUTE] = _State(app)
    return found


_ATTRIBUTE = "_wxiai_otel"
_lock = threading.RLock()


def setup_telemetry(app: FastAPI | None = None, **settings: "Unpack[SettingsArguments]") -> Telemetry:
    """Instrument a FastAPI application: HTTP, SQLAlchemy and Redis, with metrics at ``/monitoring/metrics``.

    Call it once, at module level after the application is made, or in its lifespan handler. Nothing else is needed.
    Metrics and spans go out by OTLP where an endpoint is configured (``OTEL_EXPORTER_OTLP_ENDPOINT``).

    Parameters:
        app: The application. None in a process that serves none, as a queue's worker: SQL, Redis and the helpers are
            recorded there and go out by OTLP; give it a service_name.
        settings: Any of the fields of `Settings`. An argument takes precedence over the environment, the environment
            over the default.

    Returns:
        The application's telemetry. A second call returns the first's, with a warning.

    Raises:
        SettingError: A setting is unknown or its value is not allowed.
        SetupError: The object is no FastAPI application, or it has served requests already.
    """
    if app is None:
        app = _nobodys()
    if not isinstance(app, FastAPI):
        raise SetupError(f"setup_telemetry needs a FastAPI application, not {type(app).__name__}")
    loaded = load_settings(settings)
    compile_patterns()
    with _lock:
        state = _state(app)
        if (existing := state.telemetry) is not None:
            logger.warning("setup_telemetry was called twice on one application; the first call's settings stay")
            return existing
        if state.installation is None and app.middleware_stack is not None and not in_lifespan_startup(app):
            raise SetupError(
                "the application has started already: call setup_telemetry(app) at module level, "
                "or directly in the lifespan handler before its yield"
            )
        state.telemetry = Telemetry(app, loaded, partial(_stand_around, app))
        return state.telemetry


def telemetry_of(app: FastAPI) -> Telemetry | None:
    """The telemetry that an application has; ``None`` before its set-up."""
    return _state(app).telemetry


@cache
def _nobodys() -> FastAPI:
    """The application of a process that serves none: it is set up as any other, and no request comes."""
    return FastAPI(title="worker")


def _stand_around(app: FastAPI) -> Installation:
    state = _state(app)
    if state.installation is None:
        state.installation = install(app)
    return state.installation


def _stand_aside(app: FastAPI) -> None:
    """Take our layers out, so that http_engine="contrib" can put its own around the bare stack, or take them off."""
    state = _state(app)
    installation, state.installation = state.installation, None
    if installation is not None and installation.uninstall is not None:
        installation.uninstall()
