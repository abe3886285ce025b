"""Log records carry the ids of the trace they were made in."""

import functools
import logging

import pytest
from fastapi import FastAPI

from tests.asgi import get
from wxiai_otel import setup_telemetry

FORMAT = "%(message)s trace=%(otelTraceID)s span=%(otelSpanID)s service=%(otelServiceName)s"


@pytest.fixture
def captured(caplog):
    caplog.set_level(logging.INFO)
    return caplog


async def test_a_record_within_a_request_has_the_ids_of_its_span(spans, captured):
    app = FastAPI(title="shop")
    setup_telemetry(app)

    @app.get("/x")
    async def x():
        logging.getLogger("app").info("hello")

    await get(app, "/x")

    (span,) = spans.get_finished_spans()
    (record,) = [record for record in captured.records if record.name == "app"]
    assert record.otelTraceID == format(span.context.trace_id, "032x")
    assert record.otelSpanID == format(span.context.span_id, "016x")
    assert logging.Formatter(FORMAT).format(record).endswith("service=shop")


async def test_ids_are_there_although_no_span_is_exported(captured):
    app = FastAPI()
    setup_telemetry(app)

    @app.get("/x")
    def x():
        logging.getLogger("app").info("in a thread of the pool")

    await get(app, "/x")

    (record,) = [record for record in captured.records if record.name == "app"]
    assert len(record.otelTraceID) == 32
    assert int(record.otelTraceID, 16) != 0


def test_a_record_outside_any_span_has_zeros(captured):
    setup_telemetry(FastAPI())
    logging.getLogger("app").info("alone")

    assert (captured.records[-1].otelTraceID, captured.records[-1].otelSpanID) == ("0", "0")


def test_a_factory_of_the_applications_own_is_kept(captured):
    before = logging.getLogRecordFactory()

    def factory(*args, **kwargs):
        record = before(*args, **kwargs)
        record.tenant = "acme"
        return record

    logging.setLogRecordFactory(factory)
    try:
        telemetry = setup_telemetry(FastAPI())
        logging.getLogger("app").info("x")
        telemetry.shutdown()

        assert captured.records[-1].tenant == "acme"
        assert captured.records[-1].otelTraceID == "0"
        assert logging.getLogRecordFactory() is factory
    finally:
        logging.setLogRecordFactory(before)


def test_a_factory_set_over_ours_still_works_after_the_end(captured):
    before = logging.getLogRecordFactory()
    telemetry = setup_telemetry(FastAPI())
    ours = logging.getLogRecordFactory()
    logging.setLogRecordFactory(functools.partial(ours))
    try:
        telemetry.shutdown()
        logging.getLogger("app").info("after")
        assert not hasattr(captured.records[-1], "otelTraceID")
    finally:
        logging.setLogRecordFactory(before)


def test_it_can_be_switched_off(captured):
    before = logging.getLogRecordFactory()
    setup_telemetry(FastAPI(), log_correlation=False)

    assert logging.getLogRecordFactory() is before
