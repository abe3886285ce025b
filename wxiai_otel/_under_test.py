"""Telemetry under test: it works in memory, here and now. Nothing runs in the background or leaves the process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from .settings import Settings

if TYPE_CHECKING:
    from .alerting._message import Alert


class _Mode:
    collector: SpanProcessor | None = None
    alerts: "list[Alert] | None" = None


_attached: "WeakSet[TracerProvider]" = WeakSet()


def switch(collector: SpanProcessor | None) -> None:
    """Have what is set up from now on be under test.

    Parameters:
        collector: Is told of all spans; ``None``: no longer under test.
    """
    _Mode.collector = collector


def is_on() -> bool:
    """Whether what is set up now is under test."""
    return _Mode.collector is not None


def in_memory(settings: Settings) -> Settings:
    """The settings with which nothing leaves the process and no span is dropped; under test only."""
    if _Mode.collector is None:
        return settings
    return replace(
        settings,
        traces_exporter="none",
        metrics_exporter="none",
        logs_exporter="none",
        tail_sampling="collector",
        workers_folder="none",
        state_redis="memory",
    )


def attach(provider: Any) -> None:
    """Have the collector told of a provider's spans, where it is under test."""
    if _Mode.collector is not None and isinstance(provider, TracerProvider) and provider not in _attached:
        provider.add_span_processor(_Mode.collector)
        _attached.add(provider)


def is_attached(provider: Any) -> bool:
    """Whether the collector is told of a provider's spans."""
    return provider in _attached


@contextmanager
def keeping_alerts() -> "Iterator[list[Alert]]":
    """Within the block, keep the alerts that are told of."""
    kept: list[Alert] = []
    _Mode.alerts = kept
    try:
        yield kept
    finally:
        _Mode.alerts = None


def tell(alert: "Alert") -> None:
    """An alert that is sent to nobody, because this is a test."""
    if _Mode.alerts is not None:
        _Mode.alerts.append(alert)
