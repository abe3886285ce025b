"""Client spans below a local root are what the SDK would make of them."""

import json
import time

import pytest
import redis
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags, set_span_in_context
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from tests.conftest import forget_global_providers
from tests.tracing.internals import HeldSpan, SdkSpan, _runtime, failure_of, sampled


class Listening(SpanProcessor):
    """Is told of each start."""

    def __init__(self):
        self.started = []

    def on_start(self, span, parent_context=None):
        self.started.append(span.name)


class Ending(SpanProcessor):
    """Is told of each end while the span is still its own."""

    def __init__(self):
        self.ended = []

    def _on_ending(self, span):
        self.ended.append(span.name)


@pytest.fixture
def kinds(monkeypatch):
    """Which of the two kinds of span each call has had."""
    made = []
    for kind in (SdkSpan, HeldSpan):
        original = kind.__init__

        def counting(self, *args, original=original, kind=kind):
            made.append(kind.__name__)
            original(self, *args)

        monkeypatch.setattr(kind, "__init__", counting)
    return made


def calls(server):
    """Statements and commands of every outcome."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1, :word"), {"word": "a"})
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT * FROM nowhere"))
    engine.dispose()
    with redis.Redis(host="127.0.0.1", port=server.port) as client:
        client.hset("h", "f", 1)
        client.pipeline().set("a", 1).get("a").execute()
        with pytest.raises(redis.ResponseError):
            client.get("h")


def comparable(left):
    """All of the spans but what differs from run to run: ids as their order, times as their order."""
    spans = sorted(left.spans, key=lambda span: span.start_time)
    numbers = {span.context.span_id: number for number, span in enumerate(spans)}
    found = []
    for span in spans:
        assert span.start_time < span.end_time <= time.time_ns()
        fields = json.loads(span.to_json())
        for name in ("context", "parent_id", "start_time", "end_time", "resource"):
            del fields[name]
        fields |= {
            "parent": span.parent and numbers[span.parent.span_id],
            "trace": span.context.trace_id == spans[0].context.trace_id,
            "flags": span.context.trace_flags,
            "remote": span.context.is_remote,
            "state": span.context.trace_state.to_header(),
            "scope": span.instrumentation_scope,
            "resource": span.resource is spans[0].resource,
            "attributes": list(span.attributes.items()),
            "events": list(span.events),
            "links": list(span.links),
            "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
        }
        found.append(fields)
    return found


def of_a_trace(begin, server, processor, **settings):
    left = begin(sql=True, redis=True, **settings)
    if processor is not None:
        trace.get_tracer_provider().add_span_processor(processor)
    with trace.get_tracer("app").start_as_current_span("root") as root:
        root.set_status(StatusCode.ERROR)
        calls(server)
    left.telemetry.shutdown()
    return comparable(left)


@pytest.mark.parametrize("share", [0, 1])
@pytest.mark.parametrize("limit", [None, "10"])
def test_a_held_span_is_the_sdks(begin, redis_server, kinds, monkeypatch, share, limit):
    if limit is not None:
        monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", limit)
        monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3")
    listening = Listening()
    sdks = of_a_trace(begin, redis_server, listening, trace_share=share)
    assert set(kinds) == {"SdkSpan"}
    kinds.clear()
    forget_global_providers()
    held = of_a_trace(begin, redis_server, None, trace_share=share)
    assert set(kinds) == {"HeldSpan"}
    assert len(kinds) == len(held) - 1 == len(listening.started) - 1 == 5
    assert held == sdks


def test_a_processor_that_is_told_more_than_the_end_gets_spans_of_the_sdk(begin, redis_server, kinds):
    left = begin(sql=True, redis=True, trace_share=1)
    provider, ending = trace.get_tracer_provider(), Ending()
    with trace.get_tracer("app").start_as_current_span("root"):
        calls(redis_server)
        assert set(kinds) == {"HeldSpan"}
        kinds.clear()
        provider.add_span_processor(ending)
        calls(redis_server)
    assert set(kinds) == {"SdkSpan"}
    assert ending.ended == [span.name for span in left.spans][5:]
    assert len(ending.ended) == 6


def test_spans_that_the_sdk_counts_are_its_own(begin, redis_server, kinds, monkeypatch):
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    begin(sql=True, redis=True)
    with trace.get_tracer("app").start_as_current_span("root"):
        calls(redis_server)
    assert set(kinds) == {"SdkSpan"}


def test_a_call_without_a_local_root_is_one_itself(begin, redis_server, kinds):
    left = begin(sql=True, redis=True)
    calls(redis_server)
    remote = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
    token = trace.context_api.attach(set_span_in_context(NonRecordingSpan(remote)))
    calls(redis_server)
    trace.context_api.detach(token)
    assert set(kinds) == {"SdkSpan"}
    assert left.names == ["GET", "GET", "SELECT nowhere", "SELECT nowhere"]  # those that failed


def test_a_statement_that_fails_keeps_its_trace_and_one_that_does_not_goes_with_it(begin, kinds):
    left = begin(sql=True)
    engine = create_engine("sqlite://")
    tracer = trace.get_tracer("app")
    with engine.connect() as connection:
        with tracer.start_as_current_span("good"):
            connection.execute(text("SELECT 1"))
        assert left.names == []
        with tracer.start_as_current_span("bad"):
            connection.execute(text("SELECT 1"))
            with pytest.raises(DBAPIError):
                connection.execute(text("SELECT * FROM nowhere"))
    assert left.names == ["SELECT", "SELECT nowhere", "bad"]
    assert set(kinds) == {"HeldSpan"}


def test_a_span_made_while_a_command_is_sent_is_its_child(begin, redis_server, kinds, monkeypatch):
    left = begin(redis=True, trace_share=1)
    send = redis.Connection.send_command

    def sending(*args, **kwargs):
        with trace.get_tracer("app").start_as_current_span("within"):
            send(*args, **kwargs)

    monkeypatch.setattr(redis.Connection, "send_command", sending)
    with trace.get_tracer("app").start_as_current_span("root"), redis.Redis(port=redis_server.port) as client:
        client.get("a")
    spans = {span.name: span for span in left.spans}
    assert spans["within"].parent.span_id == spans["GET"].context.span_id
    assert spans["GET"].parent.span_id == spans["root"].context.span_id
    assert kinds == ["HeldSpan"]


def test_the_flag_is_of_the_trace_and_not_of_who_says_that_it_is_kept(begin, redis_server, kinds, monkeypatch):
    """As the SDK's: what services downstream are told is the probability's decision."""
    begin(redis=True)
    within = []
    send = redis.Connection.send_command

    def sending(*args, **kwargs):
        within.append(trace.get_current_span().get_span_context())
        send(*args, **kwargs)

    monkeypatch.setattr(redis.Connection, "send_command", sending)
    tracer = trace.get_tracer("app")
    with redis.Redis(port=redis_server.port) as client, tracer.start_as_current_span("root") as root:
        token = trace.context_api.attach(set_span_in_context(NonRecordingSpan(sampled(root.get_span_context()))))
        client.get("a")
        sdks = tracer.start_span("of the SDK").get_span_context()
        trace.context_api.detach(token)
    assert kinds == ["HeldSpan"]
    assert within[0].trace_flags == sdks.trace_flags
    assert not within[0].trace_flags.sampled
    assert within[0].trace_state is sdks.trace_state


def test_a_call_below_the_root_of_another_provider_is_of_its_own(begin, kinds):
    """As after the telemetry was shut down and set up anew, within a request."""
    begin()
    engine = create_engine("sqlite://")
    with trace.get_tracer("app").start_as_current_span("root"):
        _runtime._runtime.shutdown()
        forget_global_providers()
        begin(sql=True)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    assert kinds == ["SdkSpan"]


def test_a_failure_says_its_class_and_code():
    assert failure_of("IntegrityError", "23505") == (
        {"error.type": "IntegrityError", "db.response.status_code": "23505"},
        "IntegrityError 23505",
    )
    assert failure_of("TimeoutError") == ({"error.type": "TimeoutError"}, "TimeoutError")
