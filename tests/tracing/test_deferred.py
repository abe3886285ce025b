"""A request's span is the SDK's as soon as anybody wants more of it than its ids, and never made otherwise."""

import threading

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, _Span
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, set_span_in_context
from starlette.exceptions import HTTPException

from tests.asgi import get
from tests.internals import faults
from tests.tracing.internals import _sampler, _span
from wxiai_otel.tracing import DeferredSpan, DeferredSpans


@pytest.fixture
def made(monkeypatch):
    """The names of the spans that the SDK has made."""
    names = []
    original = _Span.__init__

    def counting(self, *args, **kwargs):
        names.append(kwargs["name"])
        original(self, *args, **kwargs)

    monkeypatch.setattr(_Span, "__init__", counting)
    return names


def answering(answer):
    app = FastAPI()
    app.get("/{thing}")(answer)
    return app


async def test_a_request_that_is_dropped_has_no_span_of_the_sdks(begin, made):
    seen = []
    app = answering(lambda: seen.append(trace.get_current_span()))
    left = begin(app)
    for _ in range(5):
        await get(app, "/x")

    assert made == []
    assert left.names == []
    assert all(isinstance(span, DeferredSpan) and span.get_span_context().is_valid for span in seen)
    assert len({span.get_span_context().trace_id for span in seen}) == 5


async def test_one_that_is_slow_leaves_as_the_sdks(begin, made):
    app = answering(lambda: None)
    left = begin(app, slow_request_seconds=1e-9)
    await get(app, "/slow")
    assert made == ["GET"]
    assert left.names == ["GET /{thing}"]
    span = left.spans[0]
    assert span.kind is SpanKind.SERVER
    assert span.attributes["url.path"] == "/slow"
    assert span.attributes["http.response.status_code"] == 200
    assert span.end_time > span.start_time
    assert span.context.trace_flags.sampled


async def test_a_failed_one_leaves_though_it_was_fast(begin):
    def answer():
        raise HTTPException(503)

    app = answering(answer)
    left = begin(app)
    await get(app, "/x")
    assert left.names == ["GET /{thing}"]
    assert left.spans[0].status.status_code is StatusCode.ERROR


async def test_what_the_application_says_of_it_is_on_it(begin):
    def answer():
        span = trace.get_current_span()
        span.set_attribute("a", 1)
        span.set_attributes({"b": 2})
        span.add_event("seen", {"c": 3})
        span.add_link(SpanContext(5, 6, True), {"d": 4})
        span.record_exception(ValueError("v"))
        span.set_status(StatusCode.OK)
        span.update_name("renamed")

    app = answering(answer)
    left = begin(app, trace_share=1)
    await get(app, "/x")
    (span,) = left.spans
    assert (span.attributes["a"], span.attributes["b"]) == (1, 2)
    assert [event.name for event in span.events] == ["seen", "exception"]
    assert [link.context.trace_id for link in span.links] == [5]
    assert span.status.status_code is StatusCode.OK


async def test_an_error_said_by_the_application_keeps_the_trace(begin):
    app = answering(lambda: trace.get_current_span().set_status(StatusCode.ERROR))
    left = begin(app)
    await get(app, "/x")
    assert left.names == ["GET /{thing}"]


async def test_one_that_was_asked_and_is_dropped_leaves_nothing(begin, made):
    app = answering(lambda: trace.get_current_span().set_attribute("a", 1))
    left = begin(app)
    await get(app, "/x")
    assert made == ["GET"]
    assert left.names == []


async def test_it_reads_as_the_sdks_span(begin):
    read = []

    def answer():
        span = trace.get_current_span()
        read.append((span.name, dict(span.attributes), span.kind, span.start_time, span.parent, span.resource))

    app = answering(answer)
    begin(app)
    await get(app, "/x")
    ((name, attributes, kind, started, parent, resource),) = read
    assert (name, kind, parent) == ("GET", SpanKind.SERVER, None)
    assert attributes["url.path"] == "/x"
    assert started > 0
    assert resource is trace.get_tracer_provider().resource


async def test_its_attributes_are_those_of_the_start_whatever_the_scope_becomes(begin):
    app = answering(lambda: None)
    left = begin(app, trace_share=1)

    class Rewriting:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            if scope["type"] == "http":
                scope["path"], scope["scheme"] = "/rewritten", "https"
            await self.app(scope, receive, send)

    app.add_middleware(Rewriting)
    await get(app, "/asked")
    assert (left.spans[0].attributes["url.path"], left.spans[0].attributes["url.scheme"]) == ("/asked", "http")


async def test_threads_that_ask_at_once_are_given_one_span(begin):
    barrier = threading.Barrier(8)

    def answer():
        span = trace.get_current_span()

        def say(number):
            barrier.wait()
            span.set_attribute(f"by.{number}", number)

        threads = [threading.Thread(target=say, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    app = answering(answer)
    left = begin(app, trace_share=1)
    for _ in range(20):
        await get(app, "/x")
    assert len(left.spans) == 20
    for span in left.spans:
        assert {f"by.{number}" for number in range(8)} <= set(span.attributes)


async def test_after_its_end_it_is_what_a_span_that_has_ended_is(begin):
    seen = []
    app = answering(lambda: seen.append(trace.get_current_span()))
    left = begin(app)
    await get(app, "/x")
    (span,) = seen
    assert not span.is_recording()
    span.set_attribute("late", 1)
    span.end()
    assert not span.is_recording()
    assert "late" not in span.attributes
    assert left.names == []


async def test_a_processor_that_is_told_of_starts_is_told(begin, made):
    started = []

    class Listening(SpanProcessor):
        def on_start(self, span, parent_context=None):
            started.append(type(span))

    app = answering(lambda: None)
    begin(app)
    trace.get_tracer_provider().add_span_processor(Listening())
    await get(app, "/x")
    assert made == ["GET"]
    assert started == [_Span]


async def test_a_request_within_a_span_of_this_process_is_the_sdks_from_the_start(begin, made):
    app = answering(lambda: None)
    begin(app)
    with trace.get_tracer("app").start_as_current_span("outer"):
        await get(app, "/x")
    assert made == ["outer", "GET"]


@pytest.mark.faulty
async def test_attributes_that_cannot_be_made_are_a_fault_and_the_request_goes_on(begin, monkeypatch):
    def broken(*_args):
        raise RuntimeError

    monkeypatch.setattr(_span, "_start_attributes", broken)
    app = answering(lambda: trace.get_current_span().set_attribute("a", 1))
    left = begin(app, trace_share=1)
    response = await get(app, "/x")
    assert response.status == 200
    assert faults()["http.span"] == 1
    assert left.spans[0].attributes["a"] == 1


def test_ids_flags_and_state_are_those_of_the_sdks_own_start(begin, monkeypatch):
    monkeypatch.setattr(_sampler, "own_randomness", lambda: 1 << 55)
    begin(trace_share=0.5)
    tracer = trace.get_tracer("x")
    spans = DeferredSpans.of(tracer, trace.get_tracer_provider()._active_span_processor)
    for trace_id in (1, (1 << 56) - 1, 1 << 100 | 5, (1 << 128) - 1):
        for flags in range(4):
            above = SpanContext(trace_id, 7, True, TraceFlags(flags), trace.TraceState([("vendor", "x")]))
            parent = set_span_in_context(NonRecordingSpan(above))
            ours = spans.start(_span.Start("n", dict), parent).get_span_context()
            theirs = tracer.start_span("n", parent).get_span_context()
            assert (ours.trace_id, ours.trace_flags) == (theirs.trace_id, theirs.trace_flags)
            assert (ours.is_remote, dict(ours.trace_state)) == (theirs.is_remote, dict(theirs.trace_state))
    ours, theirs = spans.start(_span.Start("n", dict), trace.context_api.Context()), tracer.start_span("n")
    assert ours.get_span_context().trace_flags.random_trace_id == theirs.get_span_context().trace_flags.random_trace_id
