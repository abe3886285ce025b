"""Removal of our global OpenTelemetry providers after their shutdown.

The next `setup_telemetry` would otherwise join a global provider that is shut down and export nothing. The provider
would also keep objects of a freed application alive. OpenTelemetry has no public way to unset a provider. If its
private names change, the global provider stays.
"""

from typing import Any

from opentelemetry import trace
from opentelemetry._logs import _internal as logs
from opentelemetry.metrics import _internal as metrics
from opentelemetry.util._once import Once

from ._guard import guarded

_GLOBALS: tuple[tuple[Any, str, str], ...] = (
    (trace, "_TRACER_PROVIDER", "_TRACER_PROVIDER_SET_ONCE"),
    (metrics, "_METER_PROVIDER", "_METER_PROVIDER_SET_ONCE"),
    (logs, "_LOGGER_PROVIDER", "_LOGGER_PROVIDER_SET_ONCE"),
)


@guarded("globals.take_back")
def take_back(provider: object) -> None:
    """Unset a provider wherever it is the global one, so that another one can be set."""
    for module, name, once in _GLOBALS:
        if getattr(module, name, None) is provider and isinstance(getattr(module, once, None), Once):
            setattr(module, name, None)
            setattr(module, once, Once())
    proxy = getattr(metrics, "_PROXY_METER_PROVIDER", None)
    if getattr(proxy, "_real_meter_provider", None) is provider:
        proxy._real_meter_provider = None  # type: ignore[union-attr]  # noqa: SLF001 - see above
