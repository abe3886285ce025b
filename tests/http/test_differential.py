"""Our server span is upstream's, but for what one table lists.

Upstream is opentelemetry-instrumentation-fastapi with the stable conventions, the measure are
https://opentelemetry.io/docs/specs/semconv/http/http-spans/ .
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import fastapi
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from tests.conftest import forget_global_providers
from tests.http.corpus import CASES, PARENT, TRACE, application
from wxiai_otel import setup_telemetry

SERVER_SPANS = ("wxiai_otel", "opentelemetry.instrumentation.fastapi")

AFTER_YIELD = "exception after a dependency's yield"
# Before 0.118 FastAPI ends its dependencies before it answers.
ENDS_EARLY = tuple(map(int, fastapi.__version__.split(".")[:2])) < (0, 118)
RAISING = (
    *([AFTER_YIELD] if ENDS_EARLY else []),
    "exception in the handler",
    "exception without a message",
    "exception in a class in a function",
    "exception in a dependency",
    "exception in base http middleware",
    "exception in asgi middleware",
    "exception whose handler fails",
    "exception in a mounted application",
    "no answer",
    "parent of a failure",
)
RAISING_LATE = (
    *([] if ENDS_EARLY else [AFTER_YIELD]),
    "background task that fails",
    "stream that fails midway",
    "stream that fails at once",
)
MOUNTED = (
    "mounted",
    "mounted not found",
    "mounted twice",
    "mounted response",
    "redirect in a mount",
    "exception in a mounted application",
    "no answer",
)
CONVERTED = (
    "path parameter",
    "path that is not ascii",
    "percent-encoded path",
    "control characters in the path",
    "huge path",
)
LEFT_WEBSOCKETS = ("websocket", "websocket with a parent", "websocket that is lost")
FAILING_WEBSOCKETS = ("websocket failing", "websocket failing before acceptance")
WEBSOCKETS = tuple(case.name for case in CASES if case.incoming is not None)


@dataclass(frozen=True)
class Deviation:
    """Fields in which our span is another than upstream's, in each of the cases."""

    reason: str
    fields: tuple[str, ...]
    cases: tuple[str, ...]


DEVIATIONS = (
    Deviation(
        "server.address has no port: upstream's is 127.0.0.1:8000, and 0.0.0.0 where the server is not known",
        ("attributes.server.address",),
        tuple(case.name for case in CASES if case.name != "port 80"),
    ),
    Deviation("where the server is not known upstream's port is 80", ("attributes.server.port",), ("no server",)),
    Deviation(
        "privacy: the query string is captured only where a setting asks for it",
        ("attributes.url.query",),
        ("query", "query that is no utf-8"),
    ),
    Deviation(
        "privacy: the User-Agent is captured only where a setting asks for it",
        ("attributes.user_agent.original",),
        ("headers that are no text", "user agent", "robot"),
    ),
    Deviation("nor is it judged", ("attributes.user_agent.synthetic.type",), ("robot",)),
    Deviation(
        "method names are case-sensitive: get is not a known method, and must not be GET",
        ("name", "attributes.http.request.method"),
        ("method in lower case",),
    ),
    Deviation(
        "the template is whole: upstream's ends with the mount",
        ("name", "attributes.http.route"),
        (*MOUNTED, "websocket mounted"),
    ),
    Deviation(
        "the template names a parameter without its convertor, as metrics and the OpenAPI do",
        ("name", "attributes.http.route"),
        CONVERTED,
    ),
    Deviation(
        "error.type is the exception where there is one: upstream's is the status that came of it",
        ("attributes.error.type", "description"),
        RAISING,
    ),
    Deviation(
        "upstream's ExceptionHandlerMiddleware does not see what a mounted application's raises after its answer",
        ("events",),
        ("exception in a mounted application",),
    ),
    Deviation(
        "what is raised after the last byte, or after the first of a stream, is a failure: upstream's span has ended, "
        "or does not say so",
        ("attributes.error.type", "description", "events", "status"),
        RAISING_LATE,
    ),
    Deviation(
        "WebSockets are WS: their handshake's method is not known to ASGI",
        ("name",),
        tuple(name for name in WEBSOCKETS if name != "websocket mounted"),
    ),
    Deviation(
        "the status of a WebSocket is its handshake's, 101, 403 or 500: upstream's is 200 from its first message",
        ("attributes.http.response.status_code",),
        WEBSOCKETS,
    ),
    Deviation(
        "a WebSocket that its client closes has not failed", ("status", "description", "events"), LEFT_WEBSOCKETS
    ),
    Deviation("a WebSocket that fails has an error.type", ("attributes.error.type",), FAILING_WEBSOCKETS),
    Deviation("its exception is recorded once", ("events",), FAILING_WEBSOCKETS),
    Deviation(
        "what a client sends is cut at 4,096 characters", ("attributes.http.request.method_original",), ("huge method",)
    ),
    Deviation("what a client sends is cut at 4,096 characters", ("attributes.url.path",), ("huge path",)),
)
LISTED = {
    (case, field): deviation.reason
    for deviation in DEVIATIONS
    for case in deviation.cases
    for field in deviation.fields
}

Fields = dict[str, Any]


async def spans_by(engine: str, sampler: Sampler | None) -> dict[str, list[ReadableSpan]]:
    """The server spans of each case."""
    forget_global_providers()
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    app = application()
    telemetry = setup_telemetry(app, http_engine=engine, sql=False, redis=False)
    found = {}
    for case in CASES:
        exporter.clear()
        await case.send(app)
        found[case.name] = [
            span
            for span in exporter.get_finished_spans()
            if span.instrumentation_scope.name in SERVER_SPANS and not span.name.startswith("BackgroundTask")
        ]
    telemetry.shutdown()
    return found


@cache
def spans(engine: str) -> dict[str, list[ReadableSpan]]:
    return asyncio.run(spans_by(engine, ALWAYS_ON))


def fields_of(spans: Sequence[ReadableSpan]) -> Fields:
    """All that can be compared of the one span, flat."""
    (span,) = spans
    parent = span.parent
    fields: Fields = {f"attributes.{key}": value for key, value in span.attributes.items()}
    return fields | {
        "name": span.name,
        "kind": span.kind,
        "status": span.status.status_code,
        "description": span.status.description,
        "parent": parent and (format(parent.trace_id, "032x"), format(parent.span_id, "016x"), parent.is_remote),
        "within the parent's trace": parent is None or parent.trace_id == span.context.trace_id,
        "tracestate": span.context.trace_state.to_header(),
        "sampled": span.context.trace_flags.sampled,
        "links": len(span.links),
        "events": [
            (event.name, event.attributes["exception.type"], event.attributes["exception.message"])
            for event in span.events
        ],
    }


def test_the_corpus_is_of_many_requests_of_different_names():
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("engine", ["native", "contrib"])
def test_each_request_has_exactly_one_server_span(engine):
    assert {name for name, found in spans(engine).items() if len(found) != 1} == set()


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_the_server_span_is_upstreams_but_for_what_is_listed(name):
    ours, upstreams = fields_of(spans("native")[name]), fields_of(spans("contrib")[name])

    differing = {field for field in ours.keys() | upstreams.keys() if ours.get(field) != upstreams.get(field)}
    listed = {field for case, field in LISTED if case == name}
    unlisted = {field: (ours.get(field), upstreams.get(field)) for field in differing - listed}
    stale = {field: LISTED[name, field] for field in listed - differing}
    assert unlisted == {}
    assert stale == {}


def test_the_table_names_cases_that_there_are_and_each_deviation_once():
    pairs = [(case, field) for deviation in DEVIATIONS for case in deviation.cases for field in deviation.fields]

    assert {case for case, _ in pairs} <= {case.name for case in CASES}
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("engine", ["native", "contrib"])
def test_a_parent_in_the_headers_is_the_spans_remote_parent(engine):
    found = spans(engine)

    for name in ("sampled parent", "parent of a failure", "parent of a 404", "websocket with a parent"):
        assert fields_of(found[name])["parent"] == (TRACE, PARENT, True)
        assert fields_of(found[name])["kind"] is trace.SpanKind.SERVER
    assert fields_of(found["parent with tracestate"])["tracestate"] == "a=1,b=2"
    assert fields_of(found["malformed traceparent"])["parent"] is None


@pytest.mark.parametrize("engine", ["native", "contrib"])
def test_a_sampler_that_follows_the_parent_is_followed(engine):
    found = asyncio.run(spans_by(engine, None))

    assert [name for name, spans in found.items() if not spans] == ["parent that is not sampled"]
