"""When a request has ended and as what: failures, the last byte, clients that leave."""

import asyncio

import pytest
from fastapi import BackgroundTasks, HTTPException, Request
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse

from tests.asgi import get, request
from tests.http.series import one_series
from tests.scrape import scrape
from wxiai_otel import setup_telemetry


class Through(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


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
        go_on.set()
        await running

        assert during.value("http_requests_total", endpoint="/bg", status_code="200") == 1
        assert during.value("http_concurrent_connections") == 0
        assert during.value("http_request_duration_seconds_count") == 1
        lasted = during.value("http_request_duration_seconds_sum")
        assert scrape(telemetry).value("http_request_duration_seconds_sum") == lasted

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
        go_on, begun = asyncio.Event(), asyncio.Barrier(8)

        @app.get("/wait")
        async def wait():
            await begun.wait()
            await go_on.wait()

        running = [asyncio.create_task(get(app, "/wait")) for _ in range(7)]
        await begun.wait()
        during = scrape(telemetry).value("http_concurrent_connections")
        go_on.set()
        await asyncio.gather(*running)

        assert during == 7
        assert scrape(telemetry).value("http_concurrent_connections") == 0


class TestAClientThatLeaves:
    @pytest.mark.parametrize("within", [None, Through])
    async def test_before_the_response_is_499_if_the_application_receives_the_disconnect(self, app, within):
        if within:
            app.add_middleware(within)
        telemetry = setup_telemetry(app)

        @app.get("/slow")
        async def slow(request: Request):
            while (await request.receive())["type"] != "http.disconnect":
                pass
            await asyncio.sleep(0.01)

        answer = await get(app, "/slow", leaves_after=0.03)

        assert answer.status is None
        assert one_series(telemetry)["status_code"] == "499"
        assert not scrape(telemetry).has("application_errors_total")

    @pytest.mark.parametrize("within", [None, Through])
    async def test_that_is_not_noticed_counts_with_the_sent_status(self, app, within):
        if within:
            app.add_middleware(within)
        telemetry = setup_telemetry(app)

        @app.get("/slow")
        async def slow():
            await asyncio.sleep(0.05)

        await get(app, "/slow", leaves_after=0.01)

        assert one_series(telemetry)["status_code"] == "200"

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

        begun = asyncio.Event()

        @app.get("/slow")
        async def slow():
            begun.set()
            await asyncio.sleep(60)

        running = asyncio.create_task(get(app, "/slow"))
        await begun.wait()
        running.cancel()
        await running

        assert one_series(telemetry)["status_code"] == "499"
        assert scrape(telemetry).value("http_concurrent_connections") == 0
