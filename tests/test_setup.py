"""`setup_telemetry`: when it may be called, what it changes, and what it leaves alone."""

import asyncio
import gc
import logging
import subprocess
import sys
from contextlib import asynccontextmanager
from copy import copy
from functools import partial

import pytest
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from opentelemetry import trace
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from tests.asgi import get, request
from tests.otlp import http_receiver
from tests.scrape import parse, scrape
from wxiai_otel import SettingError, SetupError, setup_telemetry
from wxiai_otel.telemetry import telemetry_of


def test_alone_it_shows_the_contract_at_monitoring_metrics():
    app = FastAPI(title="shop", version="1.2.3")
    setup_telemetry(app)

    with TestClient(app) as client:
        client.get("/nothing")
        response = client.get("/monitoring/metrics")

    seen = parse(response.text)
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert seen.value("http_requests_total", endpoint="unmatched", status_code="404") == 1
    assert seen.value("system_info", service_name="shop", version="1.2.3", environment="development") == 1


async def test_an_application_called_without_lifespan_is_complete_from_its_first_request():
    app = FastAPI()
    telemetry = setup_telemetry(app)

    await get(app, "/x")

    assert scrape(telemetry).value("http_requests_total") == 1


def test_in_the_lifespan_handler_it_works_too():
    @asynccontextmanager
    async def lifespan(app):
        setup_telemetry(app)
        yield

    app = FastAPI(lifespan=lifespan)
    app.get("/x")(lambda: None)

    with TestClient(app) as client:
        client.get("/x")
        seen = parse(client.get("/monitoring/metrics").text)

    assert seen.value("http_requests_total", endpoint="/x", status_code="200") == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_a_startup_handler_it_works_too():
    app = FastAPI()

    async def start():
        setup_telemetry(app)

    app.router.on_startup = [start] if hasattr(app.router, "on_startup") else []
    if not app.router.on_startup:
        pytest.skip("this FastAPI has no startup handlers")
    with TestClient(app) as client:
        client.get("/x")
        assert parse(client.get("/monitoring/metrics").text).value("http_requests_total") == 1


async def test_after_the_first_request_it_is_a_clear_error():
    app = FastAPI()
    await get(app, "/x")

    with pytest.raises(SetupError, match=r"has started already: call setup_telemetry.* at module level"):
        setup_telemetry(app)


def test_within_a_request_it_is_a_clear_error():
    app = FastAPI()

    @app.get("/late")
    async def late():
        try:
            setup_telemetry(app)
        except SetupError:
            return "refused"

    with TestClient(app) as client:
        assert client.get("/late").json() == "refused"


def test_of_something_else_than_an_application_it_is_a_clear_error():
    with pytest.raises(SetupError, match="needs a FastAPI application, not dict"):
        setup_telemetry({})


async def test_twice_it_returns_the_first_telemetry_with_a_warning(caplog):
    app = FastAPI()
    first = setup_telemetry(app, prefix="/a")

    with caplog.at_level(logging.WARNING, "wxiai_otel"):
        second = setup_telemetry(app, prefix="/b")
    await get(app, "/x")

    assert second is first
    assert "called twice" in caplog.text
    assert scrape(first).value("http_requests_total") == 1
    assert (await get(app, "/a/metrics")).status == 200
    assert (await get(app, "/b/metrics")).status == 404


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prefix": "monitoring"}, "setting prefix: argument prefix is 'monitoring'; allowed is a path"),
        ({"http_engine": "fast"}, "setting http_engine: .* allowed is one of native, contrib"),
        ({"max_series": 0}, "setting max_series: .*0; allowed is a whole number of at least 1"),
        ({"colour": "blue"}, "there is no setting 'colour'; allowed are .*prefix"),
    ],
)
async def test_a_bad_setting_is_one_clear_error_and_leaves_the_application_as_it_was(settings, message):
    app = FastAPI()

    with pytest.raises(SettingError, match=message):
        setup_telemetry(app, **settings)

    setup_telemetry(app)
    assert (await get(app, "/monitoring/metrics")).status == 200


@pytest.mark.parametrize("disabled", [{"environment": True}, {"argument": True}])
async def test_disabled_nothing_is_instrumented_and_the_endpoint_still_answers(disabled, monkeypatch, spans):
    if "environment" in disabled:
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    app = FastAPI()
    before = logging.getLogRecordFactory()
    telemetry = setup_telemetry(app, **({"disabled": True} if "argument" in disabled else {}))

    await get(app, "/x")
    answer = await get(app, "/monitoring/metrics")

    assert answer.status == 200
    assert answer.body == b""
    assert not [span for span in spans.get_finished_spans() if span.instrumentation_scope.name == "wxiai_otel"]
    assert logging.getLogRecordFactory() is before
    telemetry.shutdown()


class TestTheEndpoint:
    async def test_it_answers_in_an_application_that_ends_in_a_catch_all(self, tmp_path):
        (tmp_path / "index.html").write_text("spa")
        app = FastAPI()
        app.mount("/", StaticFiles(directory=tmp_path, html=True))
        setup_telemetry(app)

        assert (await get(app, "/")).body == b"spa"
        assert b"http_requests_total" in (await get(app, "/monitoring/metrics")).body

    async def test_it_runs_within_the_applications_middlewares(self):
        app = FastAPI()

        class Guarded(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                return PlainTextResponse("who are you", 401)

        app.add_middleware(Guarded)
        setup_telemetry(app)

        assert (await get(app, "/monitoring/metrics")).status == 401

    async def test_it_is_not_in_the_openapi_and_adds_no_route(self):
        app = FastAPI()
        before = len(app.routes)
        setup_telemetry(app)

        assert app.openapi()["paths"] == {}
        assert len(app.routes) == before

    async def test_the_applications_own_routes_under_the_prefix_still_answer(self):
        app = FastAPI()
        setup_telemetry(app)
        app.get("/monitoring/own")(lambda: "own")

        assert (await get(app, "/monitoring/own")).status == 200

    async def test_its_prefix_is_a_setting(self):
        app = FastAPI()
        setup_telemetry(app, prefix="/internal/telemetry/")

        assert (await get(app, "/internal/telemetry/metrics")).status == 200

    async def test_it_answers_under_a_root_path(self):
        app = FastAPI()
        setup_telemetry(app)

        assert (await get(app, "/proxied/monitoring/metrics", root_path="/proxied")).status == 200

    async def test_it_answers_head_without_more_and_refuses_other_methods(self):
        app = FastAPI()
        setup_telemetry(app)

        assert (await request(app, "HEAD", "/monitoring/metrics")).status == 200
        assert (await request(app, "POST", "/monitoring/metrics")).status == 405

    async def test_it_negotiates_openmetrics(self):
        app = FastAPI()
        setup_telemetry(app)
        await get(app, "/x")

        accept = [(b"accept", b"application/openmetrics-text;version=1.0.0,text/plain;q=0.5")]
        answer = await get(app, "/monitoring/metrics", headers=accept)

        assert answer.body.endswith(b"# EOF\n")
        assert b"http_requests_created" in answer.body

    async def test_scrapes_do_not_wait_for_the_applications_threads(self):
        from anyio import to_thread

        app = FastAPI()
        setup_telemetry(app)
        limiter = to_thread.current_default_thread_limiter()
        tokens = [object() for _ in range(int(limiter.total_tokens))]
        for token in tokens:
            limiter.acquire_on_behalf_of_nowait(token)
        try:
            answer = await asyncio.wait_for(get(app, "/monitoring/metrics"), 5)
        finally:
            for token in tokens:
                limiter.release_on_behalf_of(token)

        assert answer.status == 200


class TestSeveralApplications:
    async def test_a_mounted_application_that_is_set_up_too_counts_a_request_once(self):
        outer, inner = FastAPI(), FastAPI()
        inner.get("/x")(lambda: None)
        outer.mount("/inner", inner)
        telemetry = setup_telemetry(outer)
        setup_telemetry(inner)

        await get(outer, "/inner/x")

        assert scrape(telemetry).series("http_requests_total", "endpoint") == {("/inner/x",): 1}

    async def test_two_applications_of_a_process_share_its_metrics(self):
        one, two = FastAPI(title="one"), FastAPI(title="two")
        first, second = setup_telemetry(one), setup_telemetry(two)
        await get(one, "/x")
        await get(two, "/x")

        assert scrape(first).value("http_requests_total") == scrape(second).value("http_requests_total") == 2

    async def test_ending_one_leaves_the_other(self):
        one, two = FastAPI(), FastAPI()
        first, second = setup_telemetry(one), setup_telemetry(two)
        first.shutdown()
        await get(one, "/x")
        await get(two, "/x")

        assert scrape(second).value("http_requests_total") == 1


class TestTheEnd:
    async def test_after_shutdown_the_application_works_without_telemetry(self):
        app = FastAPI()
        app.get("/x")(lambda: "x")
        telemetry = setup_telemetry(app)
        telemetry.shutdown()
        telemetry.shutdown()

        assert (await get(app, "/x")).status == 200
        assert (await get(app, "/monitoring/metrics")).status == 404

    async def test_after_shutdown_it_can_be_set_up_again(self):
        app = FastAPI()
        setup_telemetry(app).shutdown()
        again = setup_telemetry(app)

        await get(app, "/x")

        assert scrape(again).value("http_requests_total") == 1

    async def test_a_second_setup_exports_its_spans(self):
        for _ in range(2):
            with http_receiver() as receiver:
                telemetry = setup_telemetry(FastAPI(), otlp_endpoint=receiver.url, trace_share=1)
                with trace.get_tracer("shop").start_as_current_span("of the application"):
                    pass
                telemetry.shutdown()
                assert [span.name for span in receiver.spans] == ["of the application"]

    @pytest.mark.parametrize("kind", ["function", "method", "partial", "object"])
    async def test_callables_of_an_application_are_called_while_it_is_alive(self, kind):
        class Check:
            def method(self):
                return "asked"

            __call__ = method

        check = {
            "function": lambda: "asked",
            "method": Check().method,
            "partial": partial(Check.method, Check()),
            "object": Check(),
        }[kind]
        app = FastAPI()
        setup_telemetry(app, health_checks={"own": check})
        del check
        gc.collect()

        assert b'"own":{"healthy":true,"message":"asked"' in (await get(app, "/monitoring/health")).body

    def test_a_copy_of_an_application_is_another_application(self):
        app = FastAPI()
        first = setup_telemetry(app)

        assert telemetry_of(copy(app)) is None
        assert telemetry_of(app) is first

    def test_a_process_ends_at_once_though_its_collector_is_dead(self):
        code = (
            "import time\n"
            "from fastapi import FastAPI\n"
            "from starlette.testclient import TestClient\n"
            "from wxiai_otel import setup_telemetry\n"
            "app = FastAPI()\n"
            "setup_telemetry(app, otlp_endpoint='http://127.0.0.1:9', shutdown_timeout=1)\n"
            "client = TestClient(app)\n"
            "[client.get('/x') for _ in range(100)]\n"
            "print('done', flush=True)\n"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"done\n"
            process.wait(timeout=9)  # an export without a deadline takes 10 s and more
            assert process.returncode == 0
