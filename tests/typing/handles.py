"""What a type checker must know of what the package hands out. Never run, only checked."""

from typing import assert_type

from fastapi import FastAPI

from wxiai_otel import (
    AlertManager,
    Delivery,
    Settings,
    Telemetry,
    init_alert_manager,
    record_payment_failure,
    record_user_activity,
    send_business_alert,
    setup_telemetry,
)
from wxiai_otel.testing import Clock, Histogram, Span, TelemetryUnderTest, Value


async def uses(app: FastAPI) -> None:
    telemetry = setup_telemetry(app, trace_share=0.5, roles=["admin"])
    assert_type(telemetry, Telemetry)
    assert_type(setup_telemetry(), Telemetry)
    assert_type(telemetry.settings, Settings)
    assert_type(telemetry.settings.max_series, int)
    assert_type(telemetry.render_metrics(), tuple[bytes, str])
    assert_type(telemetry.force_flush(1.5), bool)
    telemetry.add_health_check("disk", lambda: True)
    telemetry.shutdown()

    assert_type(init_alert_manager({}), AlertManager)
    assert_type(await send_business_alert("X", "critical", "it is so", expected=1), dict[str, Delivery])
    record_payment_failure("alipay", ValueError("x"))
    record_user_activity(7)


def tests(telemetry: TelemetryUnderTest) -> None:
    assert_type(telemetry.counter("http_requests_total", status_code=200), Value)
    number: float = telemetry.counter("http_requests_total")
    assert_type(telemetry.gauge("active_users_current"), float | None)
    assert_type(telemetry.histogram("http_request_duration_seconds"), Histogram)
    assert_type(telemetry.histogram("http_request_duration_seconds").buckets[0.5], int)
    assert_type(telemetry.span("GET /").children, list[Span])
    assert_type(telemetry.span("GET /").duration, float)
    assert_type(telemetry.freeze_clock(), Clock)
    telemetry.freeze_clock().tick(number)


def errors(app: FastAPI, telemetry: TelemetryUnderTest) -> None:
    # Each of these must be an error: mypy warns of an ignore that it does not need.
    setup_telemetry("app")  # type: ignore[arg-type]
    setup_telemetry(app).settings.max_series = 5  # type: ignore[misc]
    setup_telemetry(app).settings.colour  # type: ignore[attr-defined]  # noqa: B018
    telemetry.counter(5)  # type: ignore[arg-type]
    telemetry.gauge("x") + 1  # type: ignore[operator]
    telemetry.freeze_clock().tick("1")  # type: ignore[arg-type]
