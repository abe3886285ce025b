"""Whatever clients send, the number of series is bounded and nothing that we keep grows with the number of requests."""

import gc
import random
from collections import Counter
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Request
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router

from tests.asgi import get, request
from tests.scrape import OPENMETRICS, scrape
from wxiai_otel import setup_telemetry

REQUESTS = 4_000

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "QUERY")
METHOD_LABELS = len(METHODS) + 1  # and other
ROLE_LABELS = 6  # admin, user, pending, vip; anonymous and other
ROUTES = (
    "/items/{item_id}",
    "/shop/{tenant}/s/{k}",
    "/me/{role}",
    "/boom",
    "/files/{path}",
    "/shop/{tenant}/{path}",
    "unmatched",
)
STATUSES = ("200", "307", "404", "405", "422", "500")
BOUND = METHOD_LABELS * len(ROUTES) * len(STATUSES) * ROLE_LABELS

ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz0123456789-_.~",
    "".join(map(chr, range(32))),
    "äöü你好Ωж",
    "😀🔥👩‍👩‍👧",
    "/%?#&=+\\\"'{}\n\r",
    "\u202e\ufeff\u0000\ud800",
)


def text(randomly: random.Random) -> str:
    size = 20_000 if randomly.random() < 0.002 else randomly.randrange(30)
    return "".join(randomly.choices(randomly.choice(ALPHABETS), k=size))


def path(randomly: random.Random) -> str:
    prefix = randomly.choice(("/", "/items/", "/shop/", "/shop/acme/s/", "/me/", "/files/", "//", "/none/"))
    return prefix + text(randomly)


def headers(randomly: random.Random) -> list[tuple[bytes, bytes]]:
    names = (b"traceparent", b"tracestate", b"baggage", b"user-agent", b"host", b"x-forwarded-for", b"content-type")
    return [(randomly.choice(names), randomly.randbytes(randomly.randrange(60))) for _ in range(randomly.randrange(4))]


def application() -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def user(request: Request, call_next):
        if request.url.path.startswith("/me/"):
            request.state.user = SimpleNamespace(id=1, role=request.url.path.removeprefix("/me/"))
        return await call_next(request)

    @app.api_route("/items/{item_id}", methods=["GET", "POST"], include_in_schema=False)
    def item(item_id: int):
        return item_id

    @app.get("/me/{role}")
    def me(role: str):
        return None

    app.get("/boom")(lambda: 1 / 0)

    def caught(request):
        return PlainTextResponse("caught")

    shop = FastAPI()
    shop.get("/s/{k}")(lambda k: None)
    app.mount("/shop/{tenant}", shop)
    app.mount("/files", Router([Route("/{path:path}", caught)]))
    return app


async def send(app: FastAPI, randomly: random.Random, count: int) -> Counter[str]:
    """Send random requests; how many had which status."""
    statuses: Counter[str] = Counter()
    for _ in range(count):
        method = randomly.choice((*METHODS, text(randomly)))
        where = path(randomly)

        async def there(scope, receive, send, where=where):
            await app({**scope, "path": where}, receive, send)

        query = randomly.randbytes(randomly.randrange(40))
        answer = await request(there, method, "/", query_string=query, headers=headers(randomly))
        statuses[str(answer.status or 500)] += 1
    return statuses


def kept() -> Counter[str]:
    """How many objects of ours and of the metrics' there are."""
    gc.collect()
    return Counter(
        cls.__qualname__
        for cls in map(type, gc.get_objects())
        if str(cls.__module__).startswith(("wxiai_otel", "opentelemetry"))
    )


@pytest.fixture
def site() -> FastAPI:
    return application()


@pytest.mark.long
async def test_what_clients_send_is_counted_exactly_in_a_bounded_number_of_series(site):
    telemetry = setup_telemetry(site)
    randomly = random.Random(17)

    statuses = await send(site, randomly, REQUESTS)
    first, objects = scrape(telemetry), kept()
    series = first.series("http_requests_total", "method", "endpoint", "status_code", "user_role")

    assert sum(series.values()) == REQUESTS
    assert first.series("http_requests_total", "status_code") == {(status,): n for status, n in statuses.items()}
    assert {labels[1] for labels in series} <= set(ROUTES)
    assert {labels[0] for labels in series} == {*METHODS, "other"}
    assert {labels[2] for labels in series} <= set(STATUSES)
    assert len(series) <= BOUND
    assert not first.has("wxiai_otel_series_refused_total")

    await send(site, randomly, REQUESTS)
    second = scrape(telemetry)
    more = second.series("http_requests_total", "method", "endpoint", "status_code", "user_role")

    assert sum(more.values()) == 2 * REQUESTS
    grown = kept() - objects
    new_series = len(more) - len(series)
    assert new_series <= BOUND - len(series)
    # What grows goes with the series: each has an aggregation, its exemplars, and a point of the last scrape.
    assert grown.total() <= 20 + 5 * new_series, grown
    assert second.value("http_concurrent_connections") == 0


async def test_the_exposition_of_it_parses_strictly(site):
    telemetry = setup_telemetry(site)
    await send(site, random.Random(23), 1000)

    text_answer = await get(site, "/monitoring/metrics")
    strict = await get(site, "/monitoring/metrics", headers=[(b"accept", OPENMETRICS.encode())])

    for body, parse in ((text_answer.body, parse_text), (strict.body, parse_openmetrics)):
        samples = [sample for family in parse(body.decode()) for sample in family.samples]
        assert sum(sample.value for sample in samples if sample.name == "http_requests_total") == 1000
        assert all(value for sample in samples for value in sample.labels.values())
    assert scrape(telemetry).value("http_requests_total") == 1000


async def test_beyond_the_cap_on_series_requests_are_counted_as_other(site):
    telemetry = setup_telemetry(site, max_series=10)

    await send(site, random.Random(29), 1000)

    seen = scrape(telemetry)
    assert seen.value("http_requests_total") == 1000
    assert seen.value("http_requests_total", endpoint="other") > 0
    assert len(seen.series("http_requests_total", "method", "endpoint", "status_code", "user_role")) <= 11
    assert seen.value("wxiai_otel_series_refused_total") > 0


@pytest.mark.parametrize("where", ["/x/1", "/sub/x/1", "/none"])
async def test_an_exchange_is_freed_with_its_request_and_not_by_the_collector(where):
    app, sub = FastAPI(), FastAPI()
    app.add_route("/x/{n}", plain)
    sub.add_route("/x/{n}", plain)
    app.mount("/sub", sub)
    setup_telemetry(app)
    await get(app, where)
    gc.collect()
    gc.disable()
    try:
        before = kept()["HttpExchange"]
        for _ in range(50):
            await get(app, where)
        left = sum(type(found).__name__ == "HttpExchange" for found in gc.get_objects())
    finally:
        gc.enable()

    assert left - before == 0


async def plain(request):
    return PlainTextResponse("plain")
