"""A process with telemetry, and what leaves it."""

import time
from collections.abc import Callable
from contextvars import ContextVar

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from wxiai_otel import setup_telemetry


class Left:
    """The spans that were handed to the exporter."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    @property
    def names(self) -> list[str]:
        return sorted(span.name for span in self.spans)

    def by_trace(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for span in self.spans:
            found.setdefault(span.context.trace_id, []).append(span.name)
        return {trace_id: sorted(names) for trace_id, names in found.items()}


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let seconds pass for the trace of the current request, and for none beside it."""
    passed: ContextVar[float] = ContextVar("passed", default=0.0)
    monkeypatch.setattr("wxiai_otel.tracing._tail.monotonic", lambda: time.monotonic() + passed.get())

    def passes(seconds: float) -> None:
        passed.set(passed.get() + seconds)

    return passes


@pytest.fixture
def begin() -> Callable[..., Left]:
    """Set telemetry up. No trace is chosen and 60 seconds are slow, unless a test says otherwise."""

    def start(app: FastAPI | None = None, **settings) -> Left:
        given = {"trace_share": 0, "slow_request_seconds": 60, "redis": False, "sql": False, **settings}
        left_by = setup_telemetry(app or FastAPI(), **given)
        left = Left()
        left.telemetry = left_by
        return left

    return start
