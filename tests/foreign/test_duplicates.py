"""Each request, statement and command is counted once, whichever instrumentations measure it too."""

import asyncio
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from fastapi import FastAPI
from opentelemetry import metrics
from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.asgi import get
from tests.scrape import scrape
from wxiai_otel import setup_telemetry

ROOT = Path(__file__).parents[2]
HOSTS = 60
MODES = ["", "http", "http/dup"]


@pytest.fixture(params=MODES, ids=["old", "new", "both"])
def conventions(request, monkeypatch):
    """The HTTP conventions of OpenTelemetry's instrumentations, which read the environment once in a process."""
    monkeypatch.setattr(_OpenTelemetrySemanticConventionStability, "_initialized", False)
    monkeypatch.setattr(_OpenTelemetrySemanticConventionStability, "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING", {})
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", request.param)
    return request.param


@pytest.fixture
def instrumented():
    """Instrument applications with opentelemetry-instrumentation-fastapi, until the test ends."""
    apps = []

    def instrument(app):
        FastAPIInstrumentor.instrument_app(app)
        apps.append(app)
        return app

    yield instrument
    for app in apps:
        FastAPIInstrumentor.uninstrument_app(app)


def shop(**arguments) -> FastAPI:
    app = FastAPI(**arguments)
    app.get("/x")(lambda: "x")
    return app


async def visit(app, path="/x"):
    for n in range(HOSTS):
        response = await get(app, path, headers=[(b"host", b"h%d.example.com" % n), (b"content-length", b"0")])
        assert response.status == 200


def of_others(telemetry) -> set[str]:
    """The names of what upstream's server metrics are shown as."""
    names = {sample.name for sample in scrape(telemetry).samples}
    return {name for name in names if name.startswith("http_server_")}


def counted(telemetry):
    return scrape(telemetry).series("http_requests_total", "endpoint")


class TestRequests:
    @pytest.mark.parametrize("engine", ["native", "contrib"])
    @pytest.mark.parametrize("first", ["theirs", "ours"])
    async def test_of_an_instrumented_application(self, conventions, instrumented, first, engine):
        app = shop()
        if first == "theirs":
            instrumented(app)
        telemetry = setup_telemetry(app, http_engine=engine)
        if first == "ours":
            instrumented(app)
        await visit(app)

        assert counted(telemetry) == {("/x",): HOSTS}
        assert of_others(telemetry) == set()

    async def test_within_a_middleware(self, conventions):
        app = shop()
        app.add_middleware(OpenTelemetryMiddleware)
        telemetry = setup_telemetry(app)
        await visit(app)

        assert counted(telemetry) == {("/x",): HOSTS}
        assert of_others(telemetry) == set()

    @pytest.mark.parametrize("traced", [True, False])
    async def test_within_a_middleware_around_the_application(self, conventions, traced, request):
        if traced:
            request.getfixturevalue("spans")
        app = shop()
        telemetry = setup_telemetry(app)
        await visit(OpenTelemetryMiddleware(app))

        assert counted(telemetry) == {("/x",): HOSTS}
        assert of_others(telemetry) <= {"http_server_active_requests"}

    async def test_of_an_instrumented_application_that_is_mounted(self, conventions, instrumented):
        app = shop()
        app.mount("/chroma", instrumented(shop()))
        telemetry = setup_telemetry(app)
        await visit(app, "/chroma/x")

        assert counted(telemetry) == {("/chroma/x",): HOSTS}
        assert of_others(telemetry) == set()

    async def test_of_an_application_that_an_instrumented_one_mounts(self, conventions, instrumented):
        app = shop()
        telemetry = setup_telemetry(app)
        outer = instrumented(shop())
        outer.mount("/ours", app)
        await visit(outer, "/ours/x")

        assert sum(counted(telemetry).values()) == HOSTS
        assert of_others(telemetry) <= {"http_server_active_requests"}

    async def test_of_several_applications(self, conventions, instrumented):
        apps = [instrumented(shop()) for _ in range(3)]
        telemetries = [setup_telemetry(app) for app in apps]
        for app in apps:
            await visit(app)

        assert counted(telemetries[0]) == {("/x",): 3 * HOSTS}
        assert of_others(telemetries[0]) == set()

    async def test_of_an_application_without_our_telemetry_stay_with_its_instrumentation(
        self, conventions, instrumented
    ):
        telemetry = setup_telemetry(shop(), max_series=20)
        await visit(instrumented(shop()))

        seen = scrape(telemetry)
        assert not seen.has("http_requests_total")
        for mode, name in (
            ("http", "http_server_request_duration_seconds_count"),
            ("", "http_server_duration_milliseconds_count"),
        ):
            if conventions in (mode, "http/dup"):
                assert seen.value(name) == HOSTS
        assert len({sample.labels.get("http_host") for sample in seen.samples}) <= 22

    async def test_of_another_application_from_a_task_that_outlives_its_request_are_counted(self, instrumented):
        app, other = FastAPI(), instrumented(shop())
        answered, tasks = asyncio.Event(), []

        async def later():
            await answered.wait()
            await visit(other)

        @app.get("/x")
        async def x():
            tasks.append(asyncio.create_task(later()))

        telemetry = setup_telemetry(app)
        await get(app, "/x")
        answered.set()
        await tasks[0]

        assert counted(telemetry) == {("/x",): 1}
        assert of_others(telemetry)

    async def test_with_http_disabled_stay_with_their_instrumentation(self, instrumented):
        app = instrumented(shop())
        telemetry = setup_telemetry(app, http=False)
        await visit(app)

        assert of_others(telemetry)

    async def test_that_are_excluded_are_counted_by_nobody(self, conventions, instrumented):
        app = instrumented(shop())
        telemetry = setup_telemetry(app, excluded_paths=["/x"])
        await visit(app)

        assert counted(telemetry) == {}
        assert of_others(telemetry) == set()

    @pytest.mark.skipif(not hasattr(FastAPI(), "_telemetry"), reason="FastAPI has no telemetry of its own")
    async def test_of_applications_with_fastapis_own_telemetry(self):
        on = {"telemetry": {"tracing": True, "metrics": True}}
        app = shop(**on)
        app.mount("/inner", shop(**on))
        telemetry = setup_telemetry(app)
        outer = shop(**on)
        outer.mount("/ours", app)
        for visited, path in ((app, "/x"), (app, "/inner/x"), (outer, "/ours/x")):
            await visit(visited, path)

        assert sum(counted(telemetry).values()) == 3 * HOSTS
        assert of_others(telemetry) <= {"http_server_active_requests"}

    async def test_of_the_instrumentation_of_another_framework_that_is_mounted(self):
        duration = metrics.get_meter("opentelemetry.instrumentation.flask").create_histogram("http.server.duration")

        async def page(_request):
            duration.record(1, {"http.host": "h"})
            return PlainTextResponse("")

        app = shop()
        app.mount("/flask", Starlette(routes=[Mount("/a", routes=[Route("/x", page)])]))
        telemetry = setup_telemetry(app)
        await visit(app, "/flask/a/x")

        assert sum(counted(telemetry).values()) == HOSTS
        assert of_others(telemetry) == set()


async def test_instruments_that_only_look_alike_are_kept():
    meter = metrics.get_meter("shop.instrumentation")
    duration = meter.create_histogram("http.server.duration", "ms")
    usage = meter.create_up_down_counter("db.client.connections.usage")
    client = metrics.get_meter("opentelemetry.instrumentation.httpx").create_histogram("http.client.duration")
    app = FastAPI()

    @app.get("/x")
    def x():
        duration.record(1)
        usage.add(1)
        client.record(1)

    telemetry = setup_telemetry(app)
    await visit(app)

    seen = scrape(telemetry)
    assert seen.value("http_server_duration_milliseconds_count") == HOSTS
    assert seen.value("db_client_connections_usage") == HOSTS
    assert seen.value("http_client_duration_count") == HOSTS


@pytest.mark.parametrize("sql", [True, False])
def test_connections_are_shown_once(sql):
    sqlalchemy = pytest.importorskip("opentelemetry.instrumentation.sqlalchemy")
    from sqlalchemy import create_engine, text

    engine = create_engine("sqlite://")
    instrumentor = sqlalchemy.SQLAlchemyInstrumentor()
    instrumentor.instrument(engine=engine, skip_dep_check=True)
    try:
        telemetry = setup_telemetry(FastAPI(), sql=sql)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    finally:
        instrumentor.uninstrument()

    seen = scrape(telemetry)
    assert seen.has("db_client_connections_usage_connections") != sql
    assert seen.has("db_query_duration_seconds_count") == sql


@pytest.mark.parametrize("redis", [True, False])
def test_commands_that_redis_py_measures_too_are_shown_once(redis):
    module = pytest.importorskip("redis.observability.metrics")
    meter = metrics.get_meter(module.RedisMetricsCollector.METER_NAME)
    telemetry = setup_telemetry(FastAPI(), redis=redis)
    meter.create_histogram("db.client.operation.duration", "s").record(1)
    meter.create_counter("redis.client.errors").add(1)

    seen = scrape(telemetry)
    assert seen.has("db_client_operation_duration_seconds_count") != redis
    assert seen.has("redis_client_errors_total")


PROGRAM = """
import json
from fastapi import FastAPI
from starlette.testclient import TestClient
from wxiai_otel import setup_telemetry

app = FastAPI()
assert app._is_instrumented_by_opentelemetry
app.get("/x")(lambda: None)
telemetry = setup_telemetry(app, workers_folder="none")
client = TestClient(app)
for n in range(20):
    client.get("/x", headers={"host": f"h{n}.example.com"})
print(telemetry.render_metrics()[0].decode())
"""


def test_opentelemetry_instrument_counts_no_request_again():
    command = Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup"}
    done = subprocess.run(
        [sys.executable, command, sys.executable, "-W", "ignore", "-c", PROGRAM],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )

    assert done.returncode == 0, done.stderr
    assert 'status_code="200",user_role="anonymous"} 20.0' in done.stdout
    assert "http_server_" not in done.stdout
