"""Telemetry's own traffic: what we ask of Redis and databases is neither counted nor traced."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

_own: ContextVar[bool] = ContextVar("wxiai_otel_own_traffic", default=False)


@contextmanager
def own_traffic() -> Iterator[None]:
    """Within this context nothing is counted by this package nor traced by any OpenTelemetry instrumentation."""
    # With wrapt it is a part of what importing the package would take.
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    token = _own.set(True)
    try:
        with suppress_instrumentation():
            yield
    finally:
        with suppress(ValueError):  # a coroutine was closed in another context
            _own.reset(token)


def is_own_traffic() -> bool:
    """Whether the current context is telemetry's own."""
    return _own.get()
