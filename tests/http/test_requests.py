"""What is counted of a request: by method, template, status and role, once."""

import asyncio
import threading
from enum import Enum
from types import SimpleNamespace

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.asgi import get, request
from tests.scrape import scrape
from wxiai_otel import setup_telemetry

LABELS = ("method", "endpoint", "status_code", "user_role")


def one_series(telemetry, **changed):
    """The single series of http_requests_total, which must be 1."""
    (labels, value), *others = scrape(telemetry).series("http_requests_total", *LABELS).items()
    assert not others
    assert value == 1
    return dict(zip(LABELS, labels, strict=True))


@pytest.fixture
def app() -> FastAPI:
    return FastAPI()


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


class TestFailures:
    async def test_an_exception_is_500_and_an_application_error_and_reaches_the_server(self, app):
        telemetry = setup_telemetry(app)

        @app.get("/boom")
        def boom():
            raise KeyError("x")

        answer = await get(app, "/boom")

        assert isinstance(answer.raised, KeyError)
        assert answer.status == 500
        assert one_series(telemetry)["status_code"] == "500"
        assert scrape(telemetry).series("application_errors_total", "error_type", "component") == {
            ("KeyError", "http_middleware"): 1
        }

    async def test_where_a_handler_for_exception_answers_its_status_is_counted_and_the_error_too(self, app):
        telemetry = setup_telemetry(app)

        @app.exception_handler(Exception)
        async def handler(request, exc):
            return PlainTextResponse("sorry", 503)

        app.get("/boom")(lambda: 1 / 0)
        answer = await get(app, "/boom")

        assert answer.status == 503
        assert one_series(telemetry)["status_code"] == "503"
        assert scrape(telemetry).value("application_errors_total", error_type="ZeroDivisionError") == 1

    async def test_an_exception_that_a_handler_of_its_class_turns_into_an_answer_is_no_error(self, app):
        telemetry = setup_telemetry(app)

        @app.exception_handler(LookupError)
        async def handler(request, exc):
            return PlainTextResponse("no", 404)

        @app.get("/boom")
        def boom():
            raise LookupError

        await get(app, "/boom")

        assert one_series(telemetry)["status_code"] == "404"
        assert not scrape(telemetry).has("application_errors_total")

    @pytest.mark.parametrize("status", [400, 404, 502])
    async def test_an_http_exception_is_its_status_and_no_error(self, app, status):
        telemetry = setup_telemetry(app)

        @app.get("/boom")
        def boom():
            raise HTTPException(status)

        await get(app, "/boom")

        assert one_series(telemetry)["status_code"] == str(status)
        assert not scrape(telemetry).has("application_errors_total")

    async def test_an_exception_in_a_middleware_is_an_error_too(self, app):
        class Broken(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                raise PermissionError

        app.add_middleware(Broken)
        telemetry = setup_telemetry(app)
        await get(app, "/x")

        assert one_series(telemetry) == {
            "method": "GET",
            "endpoint": "unmatched",
            "status_code": "500",
            "user_role": "anonymous",
        }
        assert scrape(telemetry).value("application_errors_total", error_type="PermissionError") == 1

    async def test_a_middleware_added_after_the_set_up_is_within_too(self, app):
        telemetry = setup_telemetry(app)

        class Teapot(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                return PlainTextResponse("teapot", 418)

        app.add_middleware(Teapot)
        await get(app, "/x")

        assert one_series(telemetry)["status_code"] == "418"

    async def test_an_application_that_answers_nothing_is_500(self, app):
        async def silent(scope, receive, send):
            return None

        telemetry = setup_telemetry(app)
        app.mount("/silent", silent)
        await get(app, "/silent/x")

        assert one_series(telemetry)["status_code"] == "500"


class TestTheLastByte:
    async def test_background_tasks_are_not_part_of_the_duration_and_do_not_delay_the_count(self, app):
        telemetry = setup_telemetry(app)
        started = asyncio.Event()
        go_on = asyncio.Event()

        async def work():
            started.set()
            await go_on.wait()

        @app.get("/bg")
        def bg(tasks: BackgroundTasks):
            tasks.add_task(work)

        running = asyncio.create_task(get(app, "/bg"))
        await started.wait()
        during = scrape(telemetry)
        await asyncio.sleep(0.1)
        go_on.set()
        await running

        assert during.value("http_requests_total", endpoint="/bg", status_code="200") == 1
        assert during.value("http_concurrent_connections") == 0
        assert scrape(telemetry).value("http_request_duration_seconds_sum") < 0.1

    async def test_an_exception_in_a_background_task_is_an_error_of_a_request_that_was_200(self, app):
        telemetry = setup_telemetry(app)

        def fail():
            raise OverflowError

        @app.get("/bg")
        def bg(tasks: BackgroundTasks):
            tasks.add_task(fail)

        answer = await get(app, "/bg")

        assert isinstance(answer.raised, OverflowError)
        assert one_series(telemetry)["status_code"] == "200"
        assert scrape(telemetry).value("application_errors_total", error_type="OverflowError") == 1

    async def test_requests_in_flight_are_a_gauge(self, app):
        telemetry = setup_telemetry(app)
        go_on = asyncio.Event()

        @app.get("/wait")
        async def wait():
            await go_on.wait()

        running = [asyncio.create_task(get(app, "/wait")) for _ in range(7)]
        await asyncio.sleep(0.05)
        during = scrape(telemetry).value("http_concurrent_connections")
        go_on.set()
        await asyncio.gather(*running)

        assert during == 7
        assert scrape(telemetry).value("http_concurrent_connections") == 0


class TestAClientThatLeaves:
    async def test_before_the_response_is_499(self, app):
        telemetry = setup_telemetry(app)

        @app.get("/slow")
        async def slow():
            await asyncio.sleep(0.1)

        answer = await get(app, "/slow", leaves_after=0.03)

        assert answer.status is None
        assert one_series(telemetry)["status_code"] == "499"
        assert not scrape(telemetry).has("application_errors_total")

    async def test_before_the_response_within_base_http_middleware_is_499(self, app):
        class Through(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                return await call_next(request)

        app.add_middleware(Through)
        telemetry = setup_telemetry(app)

        @app.get("/slow")
        async def slow():
            await asyncio.sleep(0.1)

        await get(app, "/slow", leaves_after=0.03)

        assert one_series(telemetry)["status_code"] == "499"

    async def test_a_body_that_the_application_reads_late_is_still_whole(self, app):
        telemetry = setup_telemetry(app)

        async def late(scope, receive, send):
            await asyncio.sleep(0.03)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            message = await receive()
            await send({"type": "http.response.body", "body": message["body"]})

        app.mount("/late", late)
        answer = await request(app, "POST", "/late/x", body=b"all of it")

        assert answer.body == b"all of it"
        assert one_series(telemetry)["status_code"] == "200"

    async def test_a_cancelled_request_is_499(self, app):
        telemetry = setup_telemetry(app)

        @app.get("/slow")
        async def slow():
            await asyncio.sleep(10)

        running = asyncio.create_task(get(app, "/slow"))
        await asyncio.sleep(0.02)
        running.cancel()
        await running

        assert one_series(telemetry)["status_code"] == "499"
        assert scrape(telemetry).value("http_concurrent_connections") == 0


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
