"""Requests of any kind: the answer is the one that there is without telemetry, and what is kept is bounded."""

import asyncio
from types import SimpleNamespace

from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from starlette.responses import Response

from tests.asgi import request
from tests.hostile.cases import begin, cases
from tests.hostile.internals import GETTER
from tests.hostile.strategies import HEADER_VALUES, HEADERS, TEXT
from tests.scrape import OPENMETRICS, scrape
from wxiai_otel import setup_telemetry
from wxiai_otel.detection import Clients

METHODS = st.sampled_from(["GET", "POST", "OPTIONS", "TRACE", "_OTHER", "other", "get"]) | TEXT
PATHS = st.builds(
    "{}{}".format, st.sampled_from(["/", "/items/", "/boom/", "/files/", "/x/items/", "//", "/monitoring/"]), TEXT
)
USERS = st.none() | st.tuples(TEXT | st.integers() | st.binary(max_size=9), TEXT | st.none() | st.integers())


def application(user, content_type) -> FastAPI:
    """With routes, a mount, an exception with the client's own words, and answers of any content type."""
    app = FastAPI()

    @app.middleware("http")
    async def who(request: Request, call_next):
        if (found := user()) is not None:
            request.state.user = SimpleNamespace(id=found[0], role=found[1])
        return await call_next(request)

    @app.api_route("/items/{item}", methods=["GET", "POST"])
    async def item(item: str):
        answer = Response("x")
        answer.raw_headers.append((b"content-type", content_type()))
        return answer

    @app.get("/boom/{words:path}")
    async def boom(words: str):
        raise ValueError(words)

    inner = FastAPI()
    inner.get("/items/{item}")(item)
    app.mount("/x", inner)
    return app


def at(app, path):
    """The application, asked for a path that no URL could spell."""
    return lambda scope, receive, send: app({**scope, "path": path}, receive, send)


def said(answer):
    """What an application has said, but for the objects themselves."""
    return answer.messages, type(answer.raised), str(answer.raised)


def test_any_request_is_answered_as_without_telemetry_and_series_are_bounded():
    case = SimpleNamespace(user=None, content_type=b"")
    watched, bare = (application(lambda: case.user, lambda: case.content_type) for _ in range(2))
    telemetry = setup_telemetry(watched, max_series=200, trace_share=1, traces_exporter="none", prefix="/telemetry")
    sent = 0

    with asyncio.Runner() as runner:

        @cases(24)
        @given(
            METHODS, PATHS, st.binary(max_size=200), HEADERS, USERS, HEADER_VALUES, st.sampled_from(["http", "evil"])
        )
        def holds(method, path, query, headers, user, content_type, scheme):
            nonlocal sent
            begin()
            case.user, case.content_type = user, content_type
            extra = {"query_string": query, "headers": headers, "scheme": scheme}
            ours = runner.run(request(at(watched, path), method, "/", **extra))
            theirs = runner.run(request(at(bare, path), method, "/", **extra))
            assert said(ours) == said(theirs)
            sent += 1

        holds()

    seen = scrape(telemetry)
    assert seen.value("http_requests_total") == sent
    assert len(seen.series("http_requests_total", "method", "endpoint", "status_code", "user_role")) <= 201
    assert max(len(value) for sample in seen.samples for value in sample.labels.values()) <= 128


def test_the_endpoints_answer_whatever_they_are_asked_with_and_show_nothing_without_the_token():
    app = FastAPI()
    setup_telemetry(app, metrics_token="tökén-of-the-scrape")
    right = "Bearer tökén-of-the-scrape".encode()
    accepts = HEADER_VALUES | st.sampled_from(
        [
            b"application/openmetrics-text; version=x",
            b"text/plain;version=\xb2",
            b"application/openmetrics-text;q=",
            b"*/*",
        ]
    )
    tokens = st.none() | HEADER_VALUES | st.sampled_from([right, right + b"x", right[:-1], b"Bearer", b"bearer  "])

    with asyncio.Runner() as runner:

        @cases(4)
        @given(st.sampled_from(["metrics", "health", "stats"]), accepts, tokens, HEADERS)
        def holds(endpoint, accept, token, headers):
            begin()
            headers = [(name, value) for name, value in headers if name not in (b"accept", b"authorization")]
            shown = [] if token is None else [(b"authorization", token)]
            all_headers = [*headers, (b"accept", accept), *shown]
            answer = runner.run(request(app, "GET", f"/monitoring/{endpoint}", headers=all_headers))
            assert answer.raised is None
            if endpoint == "metrics":
                assert answer.status == (200 if token == right else 401)
            else:
                assert answer.status in (200, 401, 403, 503)

        holds()


@cases(4)
@given(
    st.lists(HEADER_VALUES, max_size=3),
    st.sampled_from(["10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "unix:x"]) | TEXT,
)
def test_whatever_is_forwarded_the_client_is_an_address_or_the_peer(values, peer):
    begin()
    clients = Clients(["10.0.0.0/8", "fe80::/10"])
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", value) for value in values]}
    found = clients.address(scope)
    assert found is not None
    assert len(found) <= max(64, len(peer))


@cases(4)
@given(HEADERS)
def test_only_what_tracing_sends_is_read_of_the_headers_and_in_bounded_length(headers):
    begin()
    for name in ("traceparent", "tracestate", "baggage"):
        found = GETTER.get({"headers": headers}, name) or []
        assert sum(map(len, found)) <= 8_192


def test_the_exposition_of_hostile_values_parses_strictly():
    telemetry = setup_telemetry(FastAPI())
    recorder = telemetry._runtime.instruments["payment.failures"]

    @cases(4)
    @given(TEXT, TEXT)
    def holds(channel, error):
        begin()
        recorder.record(1, (channel, error))

    holds()
    text, _ = telemetry.render_metrics(OPENMETRICS)
    labels = [
        s.labels for f in parse_openmetrics(text.decode()) for s in f.samples if s.name == "payment_failures_total"
    ]
    assert labels
    # Each character may have become an escape of ten.
    assert all(len(value) <= 1_280 for found in labels for value in found.values())
    assert not any(set("\x00\x1b\r") & set(value) for found in labels for value in found.values())


async def test_an_id_of_any_length_is_remembered_in_a_bounded_one_and_is_one_user():
    app = application(lambda: ("x" * 100_000, "user"), lambda: b"text/plain")
    telemetry = setup_telemetry(app, state_redis="memory")
    for _ in range(2):
        await request(app, "GET", "/items/1")

    business = telemetry._runtime.watch
    assert max(len(name) for name in business._activity._recent) <= 128
    assert [len(key[0]) for key in business._detector._clients._newer] == [64]
    assert scrape(telemetry).value("active_users_current") == 1
