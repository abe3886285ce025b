"""No sink besides spans and log records shows what a database reported either."""

import json
import logging

import pytest
from fastapi import FastAPI

import wxiai_otel
from tests.asgi import get
from tests.database_errors.test_drivers import SECRET, UNIQUE, error
from tests.internals import alert_manager, guarded
from tests.otlp import http_receiver
from tests.servers.robots import robots
from wxiai_otel import init_alert_manager, send_business_alert, setup_telemetry

CODE = "(psycopg2.errors.UniqueViolation) SQLSTATE 23505"


@pytest.fixture
def failure():
    return error("psycopg2.errors.UniqueViolation", UNIQUE, pgcode="23505")


async def test_an_alert_has_class_and_code(failure):
    with robots() as sink:
        init_alert_manager({"webhook": {"url": sink.url("webhook")}})
        try:
            raise failure
        except Exception as caught:
            sent = await send_business_alert("X", "info", f"failed: {caught}", error=caught, deep=[str(caught)])
        finally:
            alert_manager._manager.close()
            alert_manager._manager = None
        assert sent["webhook"].delivered
        shown = json.dumps(sink.of("webhook"), ensure_ascii=False)
    assert SECRET not in shown
    assert shown.count(CODE) >= 3


def test_a_label_has_class_and_code(failure):
    telemetry = setup_telemetry(FastAPI())
    try:
        raise failure
    except Exception as caught:
        wxiai_otel.record_payment_failure("alipay", str(caught)[:100])
        wxiai_otel.record_error(f"{caught}"[:100], "importer")
    exposition = telemetry.render_metrics()[0].decode()
    assert SECRET not in exposition
    assert CODE in exposition


@pytest.mark.faulty
def test_a_warning_about_a_fault_of_our_own_has_class_and_code(failure, caplog):
    @guarded("test.database")
    def ours():
        raise RuntimeError(f"failed: {failure}") from failure

    with caplog.at_level(logging.WARNING, "wxiai_otel"):
        ours()
    assert SECRET not in caplog.text
    assert "psycopg2.errors.UniqueViolation: SQLSTATE 23505" in caplog.text
    assert f"RuntimeError: failed: {CODE}" in caplog.text
    assert "in ours" in caplog.text


@pytest.mark.parametrize("engine", ["native", "contrib"])
async def test_spans_of_requests_and_ai_tasks_have_class_and_code(failure, engine):
    with http_receiver() as received:
        app = FastAPI()
        telemetry = setup_telemetry(app, otlp_endpoint=received.url, trace_share=1, http_engine=engine)

        @wxiai_otel.monitor_ai_task("flux")
        async def paint():
            raise failure

        @app.get("/x")
        async def fail():
            await paint()

        await get(app, "/x")
        assert telemetry.force_flush()
        shown = str(received.spans)
    assert SECRET not in shown
    assert "psycopg2.errors.UniqueViolation" in shown


async def test_a_health_check_shows_no_value():
    app = FastAPI()
    telemetry = setup_telemetry(app, health_checks={"orders": lambda: UNIQUE})
    answer = await get(app, "/monitoring/health")
    assert b"orders" in answer.body
    assert SECRET.encode() not in answer.body
    assert telemetry is not None
