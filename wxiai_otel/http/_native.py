"""FastAPI's own telemetry (from 0.165), which would make a second server span and count each request again.

Within a request the outer layer sets ``scope["fastapi.telemetry"]``, which switches it off in mounted applications;
for the application itself it runs before any layer, and is switched off in its configuration.
"""

import logging
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context
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
        usual = vars(cls(span=None, span_method=""))
        data, changing = type(usual["data"]), _api.TelemetryData

        def make() -> Any:
            # A dataclass with a dozen fields takes half a microsecond to make.
            made = cls.__new__(cls)
            vars(made).update(usual, data=data(), _exceptions=[])
            return made

        found = data is changing and vars(make()).keys() == usual.keys()
    except Exception:  # noqa: BLE001 - an older FastAPI, or a later one that has changed it
        return None
    return (key, make) if found else None


_REQUEST_DATA = _request_data()
# `set_span_in_context` and `set_value` copy the context twice each.
_SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))


def context_of(span: Span, parent: Context, scope: Scope) -> tuple[Context, Any]:
    """Return the context of a request, with what `fastapi.telemetry.get_telemetry_data` returns within it.

    Parameters:
        span: The server span, which is the current one there.
        parent: The context that the request belongs to.
        scope: Of the request. A mounting application's data stays.

    Returns:
        The context, and what `end_request_data` needs; ``None`` if there is nothing to end.
    """
    if _REQUEST_DATA is None or scope.get(SCOPE_KEY) is not None:
        return Context({**parent, _SPAN_KEY: span}), None
    key, make = _REQUEST_DATA
    data = make()
    return Context({**parent, _SPAN_KEY: span, key: data}), data


def end_request_data(data: Any) -> None:
    """Drop the data of a request that has ended: contexts that outlive it must not keep its body."""
    data.data = None
