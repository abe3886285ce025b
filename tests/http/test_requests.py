"""What is counted of a request: by method, template, status and role, once."""

import asyncio
import threading
from enum import Enum
from types import SimpleNamespace

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.asgi import get, request
from tests.http.series import one_series
from tests.scrape import scrape
from wxiai_otel import setup_telemetry


async def test_a_request_is_one_count_by_method_template_status_and_role(app):
    telemetry = setup_telemetry(app)

    @app.put("/items/{item_id}")
    def put(item_id: int):
        return item_id

    answer = await request(app, "PUT", "/items/7")

    assert answer.status == 200
    assert one_series(telemetry) == {
        "method": "PUT",
        "endpoint": "/items/{item_id}",
        "status_code": "200",
        "user_role": "anonymous",
    }


async def test_its_duration_is_one_observation_by_method_and_template(app, telemetry):
    setup_telemetry(app)
    clock = telemetry.freeze_clock()

    @app.get("/slow")
    async def slow():
        clock.tick(0.06)

    await get(app, "/slow")

    seen = telemetry.histogram("http_request_duration_seconds", method="GET", endpoint="/slow")
    assert seen == telemetry.histogram("http_request_duration_seconds")
    assert (seen.count, seen.sum) == (1, 0.06)
    assert (seen.buckets[0.05], seen.buckets[0.1]) == (0, 1)


async def test_it_goes_out_with_its_scheme_and_the_type_of_its_error(app, received):
    telemetry = setup_telemetry(app, otlp_endpoint=received.url)

    @app.get("/broken")
    async def broken():
        raise KeyError

    await get(app, "/x", scheme="https")
    await get(app, "/broken")
    assert telemetry.force_flush(30)

    points = received.points("http.server.request.duration")
    found = [{item.key: item.value.string_value for item in point.attributes} for point in points]
    assert {one["url.scheme"]: one.get("error.type") for one in found} == {"https": None, "http": "500"}


async def test_a_thousand_concurrent_requests_in_four_event_loops_are_a_thousand(app):
    telemetry = setup_telemetry(app)

    @app.get("/a/{x}")
    async def a(x: str):
        await asyncio.sleep(0)

    @app.get("/b")
    def b():
        return None

    async def burst():
        await asyncio.gather(*(get(app, f"/a/{i}") for i in range(200)), *(get(app, "/b") for _ in range(50)))

    threads = [threading.Thread(target=lambda: asyncio.run(burst())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    seen = scrape(telemetry)
    assert seen.series("http_requests_total", "endpoint", "status_code") == {
        ("/a/{x}", "200"): 800,
        ("/b", "200"): 200,
    }
    assert seen.value("http_concurrent_connections") == 0


class TestTemplates:
    @pytest.mark.parametrize(
        ("path", "endpoint", "status"),
        [
            ("/plain", "/plain", 200),
            ("/items/1", "/items/{item_id}", 200),
            ("/items/x", "/items/{item_id}", 422),
            ("/files/a/b/c.txt", "/files/{path}", 200),
            ("/api/v1/users/5", "/api/v1/users/{user_id}", 200),
            ("/api/v1/nested/deep/9", "/api/v1/nested/deep/{n}", 200),
            ("/first", "/first", 200),
            ("/second", "/second", 200),
            ("/docs", "/docs", 200),
            ("/openapi.json", "/openapi.json", 200),
            ("/shop/acme/s/1", "/shop/{tenant}/s/{k}", 200),
            ("/shop/acme/inner/2", "/shop/{tenant}/inner/{j}", 200),
            ("/shop/acme/nothing", "/shop/{tenant}/{path}", 404),
            ("/star/r/3", "/star/r/{z}", 200),
            ("/star/two/4/leaf", "/star/two/{t}/leaf", 200),
            ("/star/two/4/none", "/star/two/{t}/{path}", 404),
            ("/raw/any/thing", "/raw/{path}", 200),
            ("/nothing/here", "unmatched", 404),
            ("/plain/", "unmatched", 307),
            ("/items/%E4%BD%A0", "/items/{item_id}", 422),
        ],
    )
    async def test_the_endpoint_is_the_template_that_handled_the_request(self, app, path, endpoint, status):
        telemetry = setup_telemetry(app)
        self.routes(app)

        answer = await get(app, path)

        assert answer.status == status
        assert one_series(telemetry)["endpoint"] == endpoint

    async def test_a_method_that_a_route_has_not_is_405_of_that_route(self, app):
        telemetry = setup_telemetry(app)
        self.routes(app)

        await request(app, "DELETE", "/items/1")

        assert one_series(telemetry) | {"user_role": ""} == {
            "method": "DELETE",
            "endpoint": "/items/{item_id}",
            "status_code": "405",
            "user_role": "",
        }

    async def test_routes_added_after_the_first_request_have_their_template(self, app):
        telemetry = setup_telemetry(app)
        await get(app, "/later/1")
        app.get("/later/{n}")(lambda n: n)

        await get(app, "/later/1")

        assert scrape(telemetry).series("http_requests_total", "endpoint", "status_code") == {
            ("unmatched", "404"): 1,
            ("/later/{n}", "200"): 1,
        }

    async def test_a_middleware_that_copies_the_scope_hides_neither_template_nor_role(self, app):
        class Copying:
            def __init__(self, app: ASGIApp) -> None:
                self.app = app

            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                await self.app(dict(scope), receive, send)

        app.add_middleware(Copying)
        telemetry = setup_telemetry(app)

        @app.get("/who/{name}")
        def who(name: str, request: Request):
            request.state.user = SimpleNamespace(id=1, role="vip")

        await get(app, "/who/x")

        assert one_series(telemetry)["endpoint"] == "/who/{name}"
        assert one_series(telemetry)["user_role"] == "vip"

    async def test_a_root_path_of_a_proxy_is_not_part_of_the_template(self, app):
        telemetry = setup_telemetry(app)
        self.routes(app)

        await get(app, "/proxied/items/1", root_path="/proxied")

        assert one_series(telemetry)["endpoint"] == "/items/{item_id}"

    @staticmethod
    def routes(app: FastAPI) -> None:
        app.get("/plain")(lambda: None)

        @app.get("/items/{item_id}")
        def item(item_id: int):
            return item_id

        @app.get("/files/{path:path}")
        def file(path: str):
            return path

        deep = APIRouter(prefix="/deep")
        deep.get("/{n}")(lambda n: n)
        users = APIRouter(prefix="/v1")
        users.get("/users/{user_id}")(lambda user_id: user_id)
        users.include_router(deep, prefix="/nested")
        app.include_router(users, prefix="/api")

        async def shared(request: Request) -> Response:
            return PlainTextResponse("one endpoint, two routes")

        app.add_route("/first", shared)
        app.add_route("/second", shared)

        inner = APIRouter()
        inner.get("/inner/{j}")(lambda j: j)
        shop = FastAPI()
        shop.get("/s/{k}")(lambda k: k)
        shop.include_router(inner)
        app.mount("/shop/{tenant}", shop)
        app.mount(
            "/star",
            Mount("", routes=[Route("/r/{z}", shared), Mount("/two/{t}", routes=[Route("/leaf", shared)])]).app,
        )
        app.mount("/raw", PlainTextResponse("a response is an ASGI application, and no router"))


class TestRoles:
    @pytest.mark.parametrize(
        ("user", "role"),
        [
            (SimpleNamespace(id=1, role="admin"), "admin"),
            (SimpleNamespace(id=1, role="pending"), "pending"),
            (SimpleNamespace(id=1, role="root"), "other"),
            (SimpleNamespace(id=1), "other"),
            (SimpleNamespace(id=1, role=Enum("Role", {"VIP": "vip"}).VIP), "vip"),
            ({"id": 1, "role": "user"}, "user"),
            (None, "anonymous"),
        ],
    )
    async def test_the_role_is_that_of_the_user_whom_a_dependency_found(self, app, user, role):
        telemetry = setup_telemetry(app)

        def authenticate(request: Request) -> None:
            request.state.user = user

        app.get("/me", dependencies=[Depends(authenticate)])(lambda: None)
        await get(app, "/me")

        assert one_series(telemetry)["user_role"] == role

    async def test_roles_are_a_setting(self, app):
        telemetry = setup_telemetry(app, roles=["gold"])

        @app.get("/me")
        def me(request: Request):
            request.state.user = SimpleNamespace(id=1, role="gold")

        await get(app, "/me")

        assert one_series(telemetry)["user_role"] == "gold"

    async def test_another_way_to_find_the_user_is_a_setting(self, app):
        telemetry = setup_telemetry(app, find_user=lambda scope: (9, scope["state"]["who"]))

        @app.get("/me")
        def me(request: Request):
            request.state.who = "admin"

        await get(app, "/me")

        assert one_series(telemetry)["user_role"] == "admin"

    @pytest.mark.faulty
    async def test_a_request_is_counted_although_finding_its_user_fails(self, app):
        telemetry = setup_telemetry(app, find_user=lambda scope: 1 / 0)
        app.get("/me")(lambda: None)

        await get(app, "/me")

        assert one_series(telemetry)["user_role"] == "anonymous"
        assert scrape(telemetry).value("wxiai_otel_faults_total", site="http.user") >= 1


class TestMethods:
    async def test_an_unknown_method_is_other(self, app):
        telemetry = setup_telemetry(app)

        for method in ("PURGE", "get", "X" * 5000):
            await request(app, method, "/nothing")

        assert scrape(telemetry).series("http_requests_total", "method") == {("other",): 3}

    async def test_known_methods_are_a_setting(self, app):
        telemetry = setup_telemetry(app, known_methods="GET,PURGE")

        await request(app, "PURGE", "/nothing")
        await request(app, "POST", "/nothing")

        assert scrape(telemetry).series("http_requests_total", "method") == {("PURGE",): 1, ("other",): 1}


class TestExcludedPaths:
    async def test_our_own_health_and_metrics_are_excluded_and_the_applications_health_is_not(self, app):
        telemetry = setup_telemetry(app)
        app.get("/health")(lambda: None)

        for path in ("/monitoring/metrics", "/monitoring/health", "/health"):
            await get(app, path)

        assert one_series(telemetry)["endpoint"] == "/health"

    async def test_further_paths_are_a_setting(self, app):
        telemetry = setup_telemetry(app, excluded_paths=["/ping", "/static/*"])

        for path in ("/ping", "/ping/x", "/static/a/b", "/statics"):
            await get(app, path)

        assert scrape(telemetry).value("http_requests_total") == 2

    async def test_an_excluded_path_makes_no_span_nor_do_its_children(self, app, spans):
        from opentelemetry.instrumentation.utils import is_instrumentation_enabled

        setup_telemetry(app, excluded_paths="/ping")
        enabled = []

        @app.get("/ping")
        async def ping():
            enabled.append(is_instrumentation_enabled())

        await get(app, "/ping")

        assert enabled == [False]
        assert spans.get_finished_spans() == ()
