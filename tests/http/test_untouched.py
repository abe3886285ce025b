"""Values that reading would change are passed between application and server unread."""

from collections import UserDict

import pytest
from fastapi import FastAPI
from opentelemetry import propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import get_current, set_value
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tests.asgi import get, http_scope
from tests.internals import faults
from tests.scrape import scrape
from wxiai_otel import setup_telemetry

HEADERS = [(b"x-first", b"1"), (b"set-cookie", b"a=1"), (b"content-type", b"text/event-stream"), (b"x-last", b"2")]


class Once:
    """An iterable that can be read once and has no other operations."""

    def __init__(self, items):
        self._items = iter(items)

    def __iter__(self):
        return self._items

    def __len__(self):
        raise AssertionError("its length has been read")

    def __bool__(self):
        raise AssertionError("it has been compared")

    __eq__ = __len__
    __hash__ = __len__


class OnceList(list):
    """A list that can be iterated once."""

    def __iter__(self):
        found = list(super().__iter__())
        self.clear()
        return iter(found)


ITERABLES = {
    "iterator": iter,
    "generator": lambda items: (item for item in items),
    "map": lambda items: map(tuple, items),
    "once": Once,
    "list that is read once": OnceList,
    "list of iterators": lambda items: [iter(item) for item in items],
    "dictionary items": lambda items: dict(items).items(),
}
READABLE = {"list": list, "tuple": tuple, "list of lists": lambda items: [list(item) for item in items]}


def raw(app, path, application):
    app.mount(path, application)
    return setup_telemetry(app)


def as_bytes(headers):
    return [tuple(header) for header in headers]


@pytest.mark.parametrize(("kind", "make"), (ITERABLES | READABLE).items(), ids=ITERABLES | READABLE)
async def test_headers_of_a_response_are_the_applications_own_object(app, kind, make):
    given, sent = make(HEADERS), []

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": given})
        await send({"type": "http.response.body", "body": b"data: .\n\n"})

    async def send(message):
        if "headers" in message:
            sent.append((message["headers"], as_bytes(message["headers"])))

    telemetry, before = raw(app, "/raw", application), faults()
    await app(http_scope("GET", "/raw/x"), None, send)

    assert sent[0][0] is given
    assert sent[0][1] == HEADERS
    assert faults() == before
    seen = scrape(telemetry)
    assert seen.value("http_requests_total", status_code="200") == 1
    # Headers that are not read have an unknown content type.
    assert seen.has("http_stream_duration_seconds_count") is (kind in READABLE)


@pytest.mark.parametrize(("kind", "make"), (ITERABLES | READABLE).items(), ids=ITERABLES | READABLE)
@pytest.mark.parametrize("type_", ["http", "websocket"])
async def test_headers_of_a_request_reach_the_application(app, kind, make, type_, spans):
    caller = [(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"), (b"x-forwarded-for", b"192.0.2.1")]
    seen = []

    async def application(scope, receive, send):
        seen.extend(as_bytes(scope["headers"]))
        await send(
            {"type": "websocket.close"} if type_ == "websocket" else {"type": "http.response.start", "status": 200}
        )

    async def send(message):
        pass

    app.mount("/raw", application)
    setup_telemetry(app, capture_user_agent=True, trusted_proxies=["127.0.0.1"], trace_share=1)
    before = faults()
    await app(http_scope("GET", "/raw/x", type=type_, headers=make([*HEADERS, *caller])), None, send)

    assert seen == [*HEADERS, *caller]
    assert faults() == before
    (span,) = spans.get_finished_spans()
    assert (span.context.trace_id == int("a" * 32, 16)) is (kind in READABLE)


@pytest.mark.parametrize(
    "body", [memoryview(b"data"), bytearray(b"data"), b""], ids=["memoryview", "bytearray", "empty"]
)
@pytest.mark.parametrize("mapping", [dict, UserDict])
async def test_messages_are_passed_on_unchanged(app, body, mapping):
    messages = [
        mapping({"type": "http.response.start", "status": 200, "headers": []}),
        mapping({"type": "http.response.body", "body": body, "more_body": True}),
        mapping({"type": "http.response.body", "body": body}),
    ]
    sent = []

    async def application(scope, receive, send):
        for message in messages:
            await send(message)

    async def send(message):
        sent.append(message)

    telemetry, before = raw(app, "/raw", application), faults()
    await app(http_scope("GET", "/raw/x"), None, send)

    assert all(one is other for one, other in zip(sent, messages, strict=True))
    assert scrape(telemetry).value("http_requests_total", status_code="200") == 1
    assert faults() == before


async def test_a_server_that_empties_messages_is_no_fault(app):
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    async def send(message):
        message.clear()

    telemetry, before = raw(app, "/raw", application), faults()
    await app(http_scope("GET", "/raw/x"), None, send)

    assert scrape(telemetry).value("http_requests_total", status_code="201") == 1
    assert faults() == before


@pytest.fixture
def textmap():
    before = propagate.get_global_textmap()
    yield propagate.set_global_textmap
    propagate.set_global_textmap(before)


class B3(TextMapPropagator):
    """A propagator that reads headers that it does not list, as opentelemetry-propagator-b3 does."""

    fields = frozenset({"x-b3-traceid"})

    def extract(self, carrier, context=None, getter=None):
        value = getter.get(carrier, "b3")
        if not value:
            return context
        trace_id, span_id, _ = value[0].split("-")
        span = SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(1))
        return set_span_in_context(NonRecordingSpan(span), context)

    def inject(self, carrier, context=None, setter=None):
        pass


class Subclassed(TraceContextTextMapPropagator):
    def extract(self, carrier, context=None, getter=None):
        return B3().extract(carrier, context, getter)


class Broken(B3):
    def extract(self, carrier, context=None, getter=None):
        raise RuntimeError


class Nothing(B3):
    def extract(self, carrier, context=None, getter=None):
        return None


class TestTheCallersContext:
    async def trace_of(self, app, spans, header):
        setup_telemetry(app, trace_share=1)
        app.get("/x")(lambda: None)
        answer = await get(app, "/x", headers=[header])
        assert answer.status == 200
        (span,) = spans.get_finished_spans()
        return f"{span.context.trace_id:x}"

    @pytest.mark.parametrize(
        "propagator",
        [
            B3(),
            CompositePropagator([TraceContextTextMapPropagator(), B3()]),
            CompositePropagator([CompositePropagator([B3()])]),
            Subclassed(),
        ],
        ids=["alone", "beside the W3C's", "nested", "subclass"],
    )
    async def test_is_extracted_from_headers_that_a_propagator_does_not_list(self, app, spans, textmap, propagator):
        textmap(propagator)

        assert await self.trace_of(app, spans, (b"B3", b"a" * 32 + b"-" + b"b" * 16 + b"-1")) == "a" * 32

    @pytest.mark.parametrize(
        "propagator",
        [
            TraceContextTextMapPropagator(),
            CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]),
        ],
    )
    async def test_is_extracted_from_w3c_headers(self, app, spans, textmap, propagator):
        textmap(propagator)
        header = (b"Traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")

        assert await self.trace_of(app, spans, header) == "a" * 32

    @pytest.mark.faulty
    @pytest.mark.parametrize("propagator", [Broken(), Nothing()])
    async def test_is_replaced_by_a_new_trace_if_the_propagator_raises(self, app, spans, textmap, propagator):
        textmap(propagator)

        assert await self.trace_of(app, spans, (b"b3", b"a" * 32 + b"-" + b"b" * 16 + b"-1")) != "a" * 32

    async def test_is_added_to_the_current_context(self, app):
        setup_telemetry(app)
        seen = []
        app.get("/x")(lambda: seen.append(get_current().get("outer")))

        async def around(scope, receive, send):
            from opentelemetry.context import attach, detach

            token = attach(set_value("outer", 7))
            try:
                await app(scope, receive, send)
            finally:
                detach(token)

        await get(around, "/x", headers=[(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")])

        assert seen == [7]


class TestRootPath:
    @pytest.mark.parametrize("root_path", ["", "/", "/mon", "/monitoring", "/api", "/api/"])
    @pytest.mark.parametrize("stripped", [True, False])
    async def test_our_endpoints_answer_wherever_the_applications_routes_do(self, root_path, stripped):
        app = FastAPI()
        app.root_path = root_path
        app.get("/monitoring/own")(lambda: None)
        setup_telemetry(app)
        prefix = "" if stripped else root_path

        routes = (await get(app, f"{prefix}/monitoring/own")).status
        assert (await get(app, f"{prefix}/monitoring/metrics")).status == routes
        assert (await get(app, f"{prefix}/monitoring/health?live")).status == routes

    @pytest.mark.parametrize("root_path", ["/", "/he", "/api"])
    @pytest.mark.parametrize("excluded", ["/healthz", "/heal*"])
    async def test_excluded_paths_are_excluded(self, root_path, excluded):
        app = FastAPI()
        app.root_path = root_path
        app.get("/healthz")(lambda: None)
        telemetry = setup_telemetry(app, excluded_paths=[excluded])

        assert (await get(app, "/healthz")).status == 200
        assert not scrape(telemetry).has("http_requests_total")


async def test_fastapis_data_of_a_request_is_none(app):
    """FastAPI fills it for its own telemetry only, which is off: see docs/coexistence.md."""
    get_telemetry_data = pytest.importorskip("fastapi.telemetry", reason="before FastAPI 0.165").get_telemetry_data
    setup_telemetry(app)
    app.get("/x")(lambda: get_telemetry_data() is None)

    assert (await get(app, "/x")).body == b"true"
