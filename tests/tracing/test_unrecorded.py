"""Spans that nobody receives are ids, as the SDK's tracer has them of a span that is dropped."""

import threading

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from tests.asgi import get
from wxiai_otel import setup_telemetry
from wxiai_otel.tracing import UnrecordedSpan

ABOVE = [
    None,
    SpanContext(5, 6, True, TraceFlags(0)),
    SpanContext(5, 6, True, TraceFlags(1), TraceState([("ot", "th:0"), ("vendor", "x")])),
    SpanContext(5, 6, False, TraceFlags(3)),
    SpanContext(0, 6, True, TraceFlags(1)),
]


def facts(span):
    context = span.get_span_context()
    return {
        "recording": span.is_recording(),
        "valid": context.is_valid,
        "remote": context.is_remote,
        "trace": context.trace_id if context.trace_id == 5 else "drawn",
        "flags": context.trace_flags,
        "state": dict(context.trace_state),
    }


@pytest.mark.parametrize("above", ABOVE, ids=str)
def test_they_are_what_the_sdks_tracer_makes_of_a_dropped_one(above):
    parent = Context() if above is None else set_span_in_context(NonRecordingSpan(above), Context())
    of_sdk = TracerProvider(sampler=ALWAYS_OFF).get_tracer("sdk").start_span("x", parent)
    assert facts(UnrecordedSpan(parent)) == facts(of_sdk)


def test_each_has_ids_of_its_own():
    drawn = [UnrecordedSpan(Context()).get_span_context() for _ in range(1_000)]
    assert len({one.trace_id for one in drawn}) == len({one.span_id for one in drawn}) == 1_000
    assert max(one.trace_id for one in drawn) >= 1 << 120


def test_its_ids_are_drawn_once_whoever_asks_first():
    span = UnrecordedSpan(Context())
    asked = []
    threads = [threading.Thread(target=lambda: asked.append(span.get_span_context())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 20
    assert len(set(map(id, asked))) == 1
    assert f"{asked[0].span_id:016x}" in repr(span)


async def test_a_request_has_ids_without_an_exporter_and_a_span_as_soon_as_there_is_one():
    app = FastAPI()
    seen = []
    app.get("/x")(lambda: seen.append(trace.get_current_span()))
    setup_telemetry(app, traces_exporter="none", metrics_exporter="none")
    await get(app, "/x")
    exporter = InMemorySpanExporter()
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    await get(app, "/x")
    first, second = seen
    assert (first.is_recording(), first.get_span_context().is_valid) == (False, True)
    assert isinstance(first, NonRecordingSpan)
    assert second.get_span_context().is_valid
    assert not isinstance(second, NonRecordingSpan)
