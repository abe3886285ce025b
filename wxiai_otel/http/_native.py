"""FastAPI's own telemetry (from 0.165), which would make a second server span and count each request again.

Within a request the outer layer sets ``scope["fastapi.telemetry"]``, which switches it off in mounted applications;
for the application itself it runs before any layer, and is switched off in its configuration.
"""

import logging
from typing import Any

from starlette.applications import Starlette

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
