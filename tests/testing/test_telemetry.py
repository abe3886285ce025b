"""The fixture `telemetry`: what a test reads of an application that it has used."""

import threading

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from tests.alerting.internals import manager
from wxiai_otel import (
    complete_ai_task,
    init_alert_manager,
    monitor_ai_task,
    record_payment_failure,
    record_user_activity,
    send_business_alert,
    setup_telemetry,
    start_ai_task,
)
from wxiai_otel.testing import UnknownTelemetry


@pytest.fixture
def shop(telemetry):
    app = FastAPI()
    setup_telemetry(app)

    @app.get("/items/{item_id}")
    async def item(item_id: int):
        if item_id == 0:
            raise HTTPException(404)
        return item_id

    return app


@pytest.fixture
def client(shop):
    return TestClient(shop, raise_server_exceptions=False)


class TestCounters:
    def test_they_are_sums_over_the_series_with_the_labels(self, telemetry, client):
        for item in (1, 2, 0):
            client.get(f"/items/{item}")

        assert telemetry.counter("http_requests_total", status_code="200") == 2
        assert telemetry.counter("http_requests_total", status_code=404, endpoint="/items/{item_id}") == 1
        assert telemetry.counter("http_requests_total") == 3
        assert telemetry.counter("http_requests_total", status_code="500") == 0

    def test_a_failed_assertion_shows_what_was_counted(self, telemetry, client):
        client.get("/items/0")

        with pytest.raises(AssertionError, match=r'endpoint="/items/\{item_id\}".*status_code="404".* 1'):
            assert telemetry.counter("http_requests_total", status_code="200") == 1

    def test_of_the_applications_own_meters_are_there_too(self, telemetry, client):
        metrics.get_meter("shop").create_counter("orders").add(2, {"channel": "web"})

        assert telemetry.counter("orders_total", channel="web") == 2

    def test_what_is_claimed_in_the_background_is_settled_when_it_is_read(self, telemetry, shop):
        complete_ai_task(start_ai_task("kling").token, "success")
        record_user_activity("u1")

        assert telemetry.counter("ai_tasks_total", service="kling", status="success") == 1
        assert telemetry.gauge("active_users_current") == 1


class TestMistakes:
    @pytest.mark.parametrize(
        ("name", "labels", "message"),
        [
            ("http_request_total", {}, r"no metric 'http_request_total'; there are .*http_requests_total"),
            ("http_requests_total", {"status": 200}, r"no label 'status'; it has .*status_code"),
            ("http_concurrent_connections", {}, r"is a gauge: telemetry\.gauge\('http_concurrent_connections'"),
            ("ai_tasks_total", {"status": "done"}, r"status is never 'done', but one of cancelled, failed, .*success"),
        ],
    )
    def test_an_unknown_name_is_a_clear_error_and_not_0(self, telemetry, client, name, labels, message):
        with pytest.raises(UnknownTelemetry, match=message):
            telemetry.counter(name, **labels)

    def test_so_is_an_application_that_is_not_set_up(self, telemetry):
        with pytest.raises(UnknownTelemetry, match="setup_telemetry was not called"):
            telemetry.counter("http_requests_total")

    def test_and_a_span_that_there_is_not_or_not_only_once(self, telemetry, client):
        client.get("/items/1")
        client.get("/items/2")

        with pytest.raises(UnknownTelemetry, match=r"no span 'GET /item' .*'GET /items/\{item_id\}'"):
            telemetry.span("GET /item")
        with pytest.raises(UnknownTelemetry, match="there are 2 spans"):
            telemetry.span("GET /items/{item_id}")
        assert len(telemetry.spans("GET /items/{item_id}")) == 2


class TestSpans:
    def test_they_have_children_attributes_and_a_status(self, telemetry, shop, client):
        engine = create_engine("sqlite://")

        @shop.get("/broken")
        def broken():
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            raise RuntimeError

        client.get("/broken")

        span = telemetry.span("GET /broken")
        assert span.status == "error"
        assert span.kind == "server"
        assert span.attributes["http.response.status_code"] == 500
        (select,) = span.children
        assert select.attributes["db.system.name"] == "sqlite"
        assert select.parent == span
        assert span.child(select.name) == select
        assert span.parent is None

    def test_those_that_the_application_makes_itself_are_there_too(self, telemetry, shop, client):
        @shop.get("/work")
        def work():
            with trace.get_tracer("shop").start_as_current_span("price"):
                pass

        client.get("/work")

        assert [child.name for child in telemetry.span("GET /work").children] == ["price"]

    def test_and_those_of_a_provider_that_the_application_had_before(self, telemetry):
        trace.set_tracer_provider(TracerProvider())
        app = FastAPI()
        setup_telemetry(app)

        TestClient(app).get("/x")

        assert telemetry.span("GET").attributes["http.response.status_code"] == 404


class TestTheClock:
    def test_a_duration_is_what_the_test_says(self, telemetry, shop, client):
        clock = telemetry.freeze_clock()

        @shop.get("/slow")
        def slow():
            clock.tick(1.5)

        client.get("/slow")

        assert telemetry.histogram("http_request_duration_seconds", endpoint="/slow").sum == 1.5
        assert telemetry.histogram("http_request_duration_seconds").buckets[1.0] == 0
        assert telemetry.span("GET /slow").duration == pytest.approx(1.5)

    def test_so_is_that_of_a_task_of_minutes(self, telemetry, shop):
        clock = telemetry.freeze_clock()

        @monitor_ai_task("flux")
        def draw():
            clock.tick(90)

        draw()
        task = start_ai_task("kling")
        clock.tick(600)
        complete_ai_task(task.token, "success")

        assert telemetry.histogram("ai_task_duration_seconds", service="flux").sum == 90
        assert telemetry.histogram("ai_task_duration_seconds", service="kling").sum == pytest.approx(
            600, abs=0.001
        )  # a token has ms

    def test_a_task_that_nobody_ends_fails_when_its_time_is_over(self, telemetry, shop):
        clock = telemetry.freeze_clock()
        start_ai_task("kling")

        clock.tick(3599)
        assert telemetry.counter("ai_tasks_total", service="kling", status="failed") == 0
        clock.tick(16)
        assert telemetry.counter("ai_tasks_total", service="kling", status="failed") == 1


class TestNothingElseHappens:
    def test_no_thread_runs_and_nothing_is_sent(self, telemetry, monkeypatch):
        before = threading.active_count()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        setup_telemetry(FastAPI())

        assert telemetry.counter("user_registrations_total") == 0
        assert threading.active_count() == before

    def test_the_settings_of_the_application_are_its_own(self, telemetry, monkeypatch):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")

        assert setup_telemetry(FastAPI()).settings.otlp_endpoint == "http://127.0.0.1:9"


def test_users_of_requests_are_seen_with_their_role(telemetry):
    app = FastAPI()
    setup_telemetry(app)

    def user(request: Request):
        request.state.user = type("User", (), {"id": 1, "role": "vip"})

    app.get("/mine", dependencies=[Depends(user)])(lambda: None)
    TestClient(app).get("/mine")

    assert telemetry.counter("http_requests_total", user_role="vip") == 1


def test_what_goes_wrong_outside_of_requests_is_there(telemetry, shop):
    record_payment_failure("alipay", "declined")

    assert telemetry.counter("payment_failures_total") == 1


class TestAlerts:
    @pytest.fixture(autouse=True)
    def nobody(self, monkeypatch):
        """A channel that would fail, and be tried again for seconds."""
        monkeypatch.setattr(manager, "_manager", None)
        init_alert_manager({"webhook": {"url": "http://127.0.0.1:9/"}})

    async def test_nobody_is_told_and_the_test_sees_what_would_have_been(self, telemetry):
        told = await send_business_alert("CreditsImbalance", "critical", "does not add up", expected=10, found=9)

        assert told["webhook"].delivered
        (alert,) = telemetry.alerts("CreditsImbalance")
        assert (alert.severity, alert.summary, alert.details) == (
            "critical",
            "does not add up",
            {"expected": 10, "found": 9},
        )
        assert telemetry.alerts("AnotherOne") == []

    async def test_each_test_has_its_own(self, telemetry):
        assert telemetry.alerts() == []
