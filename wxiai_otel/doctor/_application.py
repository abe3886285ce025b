"""The application, as far as it shows before it is started. It is imported with telemetry in memory."""

import importlib
import os
import sys
from typing import Any

import fastapi.routing
from fastapi import FastAPI
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider

from .. import _runtime
from ..http import contrib
from ..prometheus import CONTRACT_FAMILIES, application_families
from ..providers import sdk_tracer_provider
from ..settings import Settings
from ..telemetry import SetupError, Telemetry, setup_telemetry, telemetry_of
from ._report import Report, State

SECTION = "application"
# Where wrappers of applications keep what they wrap: ASGI middlewares, Socket.IO's.
_WITHIN = ("app", "other_asgi_app", "asgi_app")
_MOST_WRAPPERS = 10


def load(report: Report, target: str) -> FastAPI | None:
    """Import an application as a server does; ``None`` where that is not to be had.

    Parameters:
        report: Is told why.
        target: ``module:attribute``; of a function that makes one, its name.
    """
    module_name, _, attribute = target.partition(":")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - a text is what sys.path holds
    try:
        found: Any = importlib.import_module(module_name)
        for part in (attribute or "app").split("."):
            found = getattr(found, part)
        if not isinstance(found, FastAPI) and getattr(found, "__code__", None) is not None:
            found = found()
    except Exception as error:  # noqa: BLE001 - an application fails in any way
        causes = (error, error.__cause__) if error.__cause__ else (error,)
        message = ", from ".join(f"{type(each).__name__}: {each}" for each in causes)
        report.add(SECTION, target, State.FAILED, f"cannot be imported: {message}")
        return None
    app = _unwrapped(found)
    if app is None:
        report.add(SECTION, target, State.FAILED, f"is no FastAPI application, but {type(found).__name__}")
    return app


def _unwrapped(found: Any) -> FastAPI | None:
    for _ in range(_MOST_WRAPPERS):
        if isinstance(found, FastAPI):
            return found
        found = next((within for name in _WITHIN if (within := getattr(found, name, None)) is not None), None)
    return None


def look_at_providers(report: Report) -> None:
    """Providers that another library, or the application, has set before ours."""
    runtime = _runtime._runtime  # noqa: SLF001 - the doctor is this package's
    ours = runtime.providers.owned if runtime is not None else []
    tracer_provider = trace.get_tracer_provider()
    kind = f"{type(tracer_provider).__module__}.{type(tracer_provider).__qualname__}"
    joined = sdk_tracer_provider(tracer_provider)
    if joined is not None and joined not in ours:
        message = f"a {kind} was set before: it is joined, so that it decides what is sampled and where spans go"
        report.add(SECTION, "tracer provider", State.WARNING, message)
    elif joined is None and not isinstance(tracer_provider, trace.ProxyTracerProvider):
        message = f"a {kind} was set before, which is not the SDK's: our spans go out beside it"
        report.add(SECTION, "tracer provider", State.WARNING, message)
    meter_provider = metrics.get_meter_provider()
    if isinstance(meter_provider, MeterProvider) and meter_provider not in ours:
        message = "one was set before: it keeps the application's own meters, which are not at our endpoint"
        report.add(SECTION, "meter provider", State.NOTE, message)


def look_at_prometheus_client(report: Report, settings: Settings) -> None:
    """What the application, or another library in it, has in prometheus_client's default registry."""
    found = {family.name for family in application_families()}
    if not found:
        return
    if not settings.prometheus_client:
        message = f"{len(found)} metrics are not shown at our endpoint, as the setting prometheus_client says"
        report.add(SECTION, "prometheus_client", State.NOTE, message)
        return
    twice = found & CONTRACT_FAMILIES
    if found - twice:
        message = f"{len(found - twice)} metrics of the application's are at our endpoint too"
        report.add(SECTION, "prometheus_client", State.OK, message)
    if twice:
        message = f"counted there too, ours are shown at our endpoint: {', '.join(sorted(twice))}; docs/migration.md"
        report.add(SECTION, "prometheus_client names", State.WARNING, message)


def _count_routes(app: FastAPI) -> int:
    # A newer FastAPI has an included router as one route, and this to look into it.
    inside = getattr(fastapi.routing, "iter_route_contexts", None)
    return len(app.routes) if inside is None else sum(1 for _ in inside(app.routes))


def set_up(report: Report, app: FastAPI) -> Telemetry | None:
    """The application's telemetry: its own, or what ``wxiai-otel run`` would give it."""
    report.add(SECTION, app.title, State.OK, f"FastAPI application with {_count_routes(app)} routes")
    if contrib.is_instrumented(app) and telemetry_of(app) is None:
        message = "opentelemetry-instrumentation-fastapi is in place: it keeps making the server spans"
        report.add(SECTION, "server spans", State.NOTE, message)
    if any(getattr(app, "_telemetry", {}).get(name) for name in ("tracer_provider", "meter_provider")):
        message = "FastAPI's own is given a provider; for this application it is switched off, ours does its work"
        report.add(SECTION, "FastAPI's telemetry", State.NOTE, message)
    for middleware in app.user_middleware:
        if getattr(middleware.cls, "__module__", "") == "starlette.middleware.opentelemetry":
            message = "starlette's OpenTelemetryMiddleware is passed by; remove it"
            report.add(SECTION, "middleware", State.WARNING, message)
    if (telemetry := telemetry_of(app)) is not None:
        report.add(SECTION, "setup_telemetry", State.OK, "the application calls it at module level")
        return telemetry
    try:
        telemetry = setup_telemetry(app)
    except SetupError as error:
        report.add(SECTION, "setup_telemetry", State.FAILED, str(error))
        return None
    message = "not called when the module is imported: call it, also in the lifespan handler, or use wxiai-otel run"
    report.add(SECTION, "setup_telemetry", State.NOTE, message)
    return telemetry
