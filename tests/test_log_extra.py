"""Applications that correlate their log records themselves, under the names that we use too."""

import logging
from typing import Any

import pytest
from fastapi import FastAPI

from wxiai_otel import setup_telemetry

NAMES = ("otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName")
logger = logging.getLogger("shop")


@pytest.mark.parametrize("name", NAMES)
def test_extra_of_the_application_takes_precedence(name: str, caplog: pytest.LogCaptureFixture) -> None:
    telemetry = setup_telemetry(FastAPI())
    logger.warning("direct", extra={name: "mine", "order": 1})
    logging.LoggerAdapter(logger, {name: "mine", "order": 1}).warning("adapter")
    telemetry.shutdown()
    found: list[Any] = [vars(record) for record in caplog.records if record.name == "shop"]
    assert [(one[name], one["order"]) for one in found] == [("mine", 1)] * 2
    assert all(other in one for one in found for other in NAMES)


def test_logging_still_refuses_what_it_refuses() -> None:
    telemetry = setup_telemetry(FastAPI())
    with pytest.raises(KeyError, match="overwrite 'message'"):
        logger.warning("direct", extra={"message": "mine", "otelTraceID": "mine"})  # noqa: G101 - on purpose
    telemetry.shutdown()


def test_nothing_is_left_after_a_shutdown() -> None:
    before = logging.Logger.makeRecord, logging.getLogRecordFactory()
    telemetry = setup_telemetry(FastAPI())
    assert logging.Logger.makeRecord is not before[0]
    telemetry.shutdown()
    assert (logging.Logger.makeRecord, logging.getLogRecordFactory()) == before
