"""Applications route in ways of their own: the template is still that of the route that handled the request."""

import functools

import pytest
import wrapt
from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router

from tests.asgi import get, http_scope, request
from tests.scrape import scrape
from wxiai_otel import setup_telemetry

CORS_PREFLIGHT = [(b"origin", b"https://a"), (b"access-control-request-method", b"GET")]
OTHER_HOST = [(b"host", b"api.example.org")]


def answer(request):
    return PlainTextResponse("ok")


class Item(HTTPEndpoint):
    async def get(self, request):
        return answer(request)


class FirstThatKnows:
    """Tries one application after the other, each with a copy of the scope, until one has no 404."""

    def __init__(self, *apps):
        self.apps = apps

    async def __call__(self, scope, receive, send):
        for app in self.apps:
            sent = []

            async def keep(message, sent=sent):
                sent.append(message)

            await app(dict(scope), receive, keep)
            if sent[0]["status"] != 404 or app is self.apps[-1]:
                for message in sent:
                    await send(message)
                return


def route_class(base):
    """A class of an application's own, whose handle does not call its base's."""

    class Own(base):
        async def handle(self, scope, receive, send):
            await self.app(scope, receive, send)

    return Own


def calling_route_class(base):
    class Calling(base):
        async def handle(self, scope, receive, send):
            await super().handle(scope, receive, send)

    return Calling


async def endpoint_of(telemetry, app, path, method="GET", **extra):
    answered = await request(app, method, path, **extra)
    ((labels, count),) = scrape(telemetry).series("http_requests_total", "endpoint", "status_code").items()
    assert count == 1
    assert labels[1] == str(answered.status)
    return labels


@pytest.mark.parametrize("make", [route_class, calling_route_class])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/api/7/own/8", "/api/{tenant}/own/{n}"),
        ("/own/8", "/own/{n}"),
        ("/plain/1", "/plain/{n}"),
        ("/mount/1/r/2", "/mount/{m}/r/{n}"),
        ("/mount/1/own/2", "/mount/{m}/own/{n}"),
        ("/mount/1/nothing", "/mount/{m}/{path}"),
        ("/sub/own/2", "/sub/own/{n}"),
    ],
)
async def test_route_classes_of_the_application_made_before_or_after_the_set_up(app, make, before, path, endpoint):
    telemetry = None if before else setup_telemetry(app)
    router = APIRouter(route_class=make(APIRoute))
    router.get("/own/{n}")(lambda n: n)
    app.include_router(router, prefix="/api/{tenant}")
    app.include_router(router)
    own_route, own_mount = make(Route), make(Mount)
    app.router.routes.append(own_route("/plain/{n}", answer))
    app.router.routes.append(own_mount("/mount/{m}", routes=[Route("/r/{n}", answer), own_route("/own/{n}", answer)]))
    sub = FastAPI()
    sub.include_router(router)
    app.mount("/sub", sub)
    telemetry = telemetry or setup_telemetry(app)

    assert (await endpoint_of(telemetry, app, path))[0] == endpoint


def test_route_classes_of_the_application_are_left_as_they_were_in_the_end(app):
    own = route_class(Route)
    before = [cls.handle for cls in (own, Route, Mount, APIRoute)]
    setup_telemetry(app).shutdown()

    assert [cls.handle for cls in (own, Route, Mount, APIRoute)] == before


async def test_who_has_wrapped_a_route_class_before_us_is_called_as_ever(app, monkeypatch):
    """As ddtrace does: by wrapt, whose wrappers find the route by being bound to it."""
    handled = []

    def told(wrapped, route, args, options):
        handled.append((route.path, args[0]["type"]))
        return wrapped(*args, **options)

    monkeypatch.setattr(Route, "handle", wrapt.FunctionWrapper(vars(Route)["handle"], told))
    app.router.routes.append(Route("/plain/{x}", answer))
    telemetry = setup_telemetry(app)

    assert (await get(app, "/plain/1")).status == 200
    assert handled == [("/plain/{x}", "http")]
    assert scrape(telemetry).value("http_requests_total", endpoint="/plain/{x}") == 1


@pytest.mark.parametrize("copies", [True, False])
async def test_who_wraps_a_route_class_after_us_stays_after_our_end(app, monkeypatch, copies):
    telemetry = setup_telemetry(app)
    inner, handled = Route.handle, []

    async def outer(self, scope, receive, send):
        handled.append(scope["path"])
        await inner(self, scope, receive, send)

    monkeypatch.setattr(Route, "handle", functools.wraps(inner)(outer) if copies else outer)
    app.add_route("/x/{n}", answer)

    assert (await endpoint_of(telemetry, app, "/x/1"))[0] == "/x/{n}"
    telemetry.shutdown()
    assert (await get(app, "/x/2")).status == 200
    assert handled == ["/x/1", "/x/2"]


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("/router/r/1", ("/router/r/{n}", "200")),
        ("/item/1", ("/item/{n}", "200")),
        ("/a/1/b/2/leaf/3", ("/a/{a}/b/{b}/leaf/{n}", "200")),
        ("/a/1/b/2/gone/3", ("/a/{a}/b/{b}/gone/{n}", "404")),
        ("/a/1/b/2/nothing", ("/a/{a}/b/{b}/{path}", "404")),
        ("/a/1/b/2/leaf/3/", ("/a/{a}/b/{b}/{path}", "307")),
        ("/tried/y/5", ("/tried/y/{n}", "200")),
        ("/api/v1/i/2", ("/api/v{version}/i/{n}", "200")),
        ("/other/v1/i/2", ("/other/v{version}/i/{n}", "200")),
        ("//", ("unmatched", "404")),
        ("/item/1/", ("unmatched", "307")),
    ],
)
async def test_routers_mounts_and_included_routers_in_each_other(app, path, labels):
    telemetry = setup_telemetry(app)
    app.router.routes.append(Mount("/router", app=Router([Route("/r/{n}", answer)])))
    app.add_route("/item/{n}", Item)
    middle, leaf = FastAPI(), FastAPI()
    leaf.get("/leaf/{n}")(lambda n: n)

    @leaf.get("/gone/{n}")
    def gone(n):
        raise HTTPException(404)

    middle.mount("/b/{b}", leaf)
    app.mount("/a/{a}", middle)
    first = Starlette(routes=[Mount("/y", routes=[Route("/none", answer)])])
    app.mount("/tried", FirstThatKnows(first, Starlette(routes=[Route("/y/{n}", answer)])))
    inner = APIRouter()
    inner.get("/i/{n}")(lambda n: n)
    outer = APIRouter(prefix="/v{version}")
    outer.include_router(inner)
    app.include_router(outer, prefix="/api")
    app.include_router(outer, prefix="/other")

    assert await endpoint_of(telemetry, app, path) == labels


@pytest.mark.parametrize(
    ("path", "endpoint"), [("/h/4", "/h/{n}"), ("/mounted/q/4", "/mounted/q/{n}"), ("/nothing", "unmatched")]
)
async def test_a_host_is_not_part_of_the_template(app, path, endpoint):
    telemetry = setup_telemetry(app)
    routes = [Route("/h/{n}", answer), Mount("/mounted", routes=[Route("/q/{n}", answer)])]
    app.router.routes.append(Host("api.example.org", app=Router(routes)))

    assert (await endpoint_of(telemetry, app, path, headers=OTHER_HOST))[0] == endpoint


@pytest.mark.parametrize(
    ("method", "headers", "labels"),
    [
        ("HEAD", [], ("/x/{n}", "405")),
        ("OPTIONS", [], ("/x/{n}", "405")),
        ("OPTIONS", CORS_PREFLIGHT, ("unmatched", "200")),
    ],
)
async def test_a_method_that_no_route_has_is_of_the_route_and_a_preflight_of_none(app, method, headers, labels):
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"])
    telemetry = setup_telemetry(app)
    app.get("/x/{n}")(lambda n: n)

    assert await endpoint_of(telemetry, app, "/x/1", method, headers=headers) == labels


async def test_routes_that_change_while_the_application_runs_are_seen_as_they_are(app):
    telemetry = setup_telemetry(app)
    app.get("/x/{old}")(lambda old: old)
    await get(app, "/x/1")
    app.router.routes.insert(0, Route("/x/{new}", answer))
    await get(app, "/x/1")
    app.router.routes.clear()
    await get(app, "/x/1")

    assert scrape(telemetry).series("http_requests_total", "endpoint") == {
        ("/x/{old}",): 1,
        ("/x/{new}",): 1,
        ("unmatched",): 1,
    }


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [("/front/a.js", "/front/{path}"), ("/front/none", "/front/{path}"), ("/in/deep/a.js", "/in/deep/{path}")],
)
async def test_a_frontend_is_like_a_mount(app, tmp_path, path, endpoint):
    (tmp_path / "a.js").write_text("1")
    telemetry = setup_telemetry(app)
    router = APIRouter()
    if hasattr(app, "frontend"):
        app.frontend("/front", directory=tmp_path)
        router.frontend("/deep", directory=tmp_path)
        app.include_router(router, prefix="/in")
    else:  # FastAPI 0.136 has none
        endpoint = "unmatched"

    assert (await endpoint_of(telemetry, app, path))[0] == endpoint


async def test_what_is_sent_first_is_the_status_when_a_response_is_started_twice(app):
    async def twice(scope, receive, send):
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.start", "status": 500, "headers": []})

    telemetry = setup_telemetry(app)
    app.mount("/twice", twice)

    await get(app, "/twice/x")

    assert scrape(telemetry).series("http_requests_total", "status_code") == {("202",): 1}


@pytest.mark.parametrize(("refusal", "status"), [(RuntimeError("bad header"), "500"), (ConnectionResetError(), "499")])
async def test_a_response_that_the_server_refuses_was_not_sent(app, refusal, status):
    telemetry = setup_telemetry(app)
    app.get("/x")(lambda: None)

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        raise refusal

    with pytest.raises(type(refusal)):
        await app(http_scope("GET", "/x"), receive, send)

    assert scrape(telemetry).series("http_requests_total", "endpoint", "status_code") == {("/x", status): 1}
