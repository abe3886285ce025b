"""Telemetry under test: it works in memory, here and now. Nothing runs in the background or leaves the process."""

from dataclasses import replace
from typing import Any
from weakref import WeakSet

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from .settings import Settings


class _Mode:
    collector: SpanProcessor | None = None


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
