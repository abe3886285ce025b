"""FastAPI's own telemetry (from 0.165), which would make a second server span and count each request again.

Within a request the outer layer sets ``scope["fastapi.telemetry"]``, which switches it off in mounted applications;
for the application itself it runs before any layer, and is switched off in its configuration.
"""

import logging
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context, set_value
from starlette.applications import Starlette
from starlette.types import Scope

logger = logging.getLogger("wxiai_otel")

SCOPE_KEY = "fastapi.telemetry"
_SIGNALS = ("tracing", "metrics", "logs")


def leave_to_us(app: Starlette) -> dict[str, Any]:
    """Switch FastAPI's telemetry off for an application.

    Returns:
        What `restore` needs to switch it on again; empty where FastAPI has no telemetry.
    """
    config = getattr(app, "_telemetry", None)
    if not isinstance(config, dict):
        return {}
    before = {signal: config[signal] for signal in _SIGNALS if signal in config}
    config.update(dict.fromkeys(before, False))
    return before


def restore(app: Starlette, before: dict[str, Any]) -> None:
    """Undo `leave_to_us`."""
    config = getattr(app, "_telemetry", None)
    if isinstance(config, dict):
        config.update(before)


def warn_of_starlettes(app: Starlette) -> None:
    """Say so where starlette's OpenTelemetryMiddleware stands in the stack: it passes on only."""
    for middleware in app.user_middleware:
        cls: Any = middleware.cls
        if getattr(cls, "__module__", "") == "starlette.middleware.opentelemetry":
            logger.warning(
                "starlette's OpenTelemetryMiddleware is in the middleware stack; it is passed by, because it would "
                "make a second span for each request. Remove it."
            )


def _request_data() -> tuple[str, Callable[[], Any]] | None:
    """Return the context key of FastAPI's request data and its factory; ``None`` if this version has none."""
    try:
        from fastapi.telemetry import _api

        # No public way sets the data that `fastapi.telemetry.get_telemetry_data` returns.
        key, cls = _api._REQUEST_TELEMETRY_KEY, _api._RequestTelemetry  # noqa: SLF001

        def make() -> Any:
            return cls(span=None, span_method="")

        found = make().data is not None
    except Exception:  # noqa: BLE001 - an older FastAPI, or a later one with other names
        return None
    return (key, make) if found else None


_REQUEST_DATA = _request_data()


def with_request_data(scope: Scope, context: Context) -> tuple[Context, Any]:
    """Add the data that `fastapi.telemetry.get_telemetry_data` returns within a request, as FastAPI's telemetry does.

    Returns:
        The context, and the data to pass to `end_request_data`.
    """
    if _REQUEST_DATA is None or scope.get(SCOPE_KEY) is not None:
        return context, None
    key, make = _REQUEST_DATA
    data = make()
    return set_value(key, data, context), data


def end_request_data(data: Any) -> None:
    """Clear the data of an ended request, so that contexts that outlive it do not keep its body."""
    if data is not None:
        data.data = None
