"""What goes wrong is a count, an event on the current span and a record in the log; no helper raises."""

import contextvars
import json
import logging
from enum import Enum

import pytest
from fastapi import FastAPI
from opentelemetry import trace

from tests.business.internals import _events
from tests.otlp import http_receiver
from tests.scrape import scrape
from wxiai_otel import (
    complete_ai_task,
    monitor_ai_task,
    record_error,
    record_login_failure,
    record_payment_failure,
    record_security_event,
    record_upload_failure,
    record_user_registration,
    setup_telemetry,
    start_ai_task,
)


class Channel(str, Enum):  # noqa: UP042 - as many applications still have it
    ALIPAY = "alipay"


class Severity(Enum):
    CRITICAL = "critical"


def told(spans, caplog, record, *args, **kwargs):
    """What a helper adds to the span and to the log: (name, attributes), (level, name, attributes)."""
    caplog.clear()
    caplog.set_level(logging.DEBUG, "wxiai_otel.events")
    with trace.get_tracer("test").start_as_current_span("request"):
        record(*args, **kwargs)
    events = [(event.name, dict(event.attributes)) for event in spans.get_finished_spans()[-1].events]
    records = [(r.levelno, r.event, r.attributes) for r in caplog.records if r.name == "wxiai_otel.events"]
    return events, records


@pytest.mark.parametrize(
    ("record", "args", "kwargs", "metric", "labels", "event", "level", "attributes"),
    [
        (
            record_error,
            (ValueError("x"), "image_storage"),
            {},
            "application_errors_total",
            {"error_type": "ValueError", "component": "image_storage"},
            "application_error",
            logging.ERROR,
            {"error.type": "ValueError", "component": "image_storage"},
        ),
        (
            record_error,
            (LookupError, ""),
            {},
            "application_errors_total",
            {"error_type": "LookupError", "component": "unknown"},
            "application_error",
            logging.ERROR,
            {"error.type": "LookupError", "component": "unknown"},
        ),
        (
            record_payment_failure,
            (Channel.ALIPAY, "declined"),
            {},
            "payment_failures_total",
            {"channel": "alipay", "error_type": "declined"},
            "payment_failure",
            logging.ERROR,
            {"channel": "alipay", "error.type": "declined"},
        ),
        (
            record_payment_failure,
            (None,),
            {},
            "payment_failures_total",
            {"channel": "unknown", "error_type": "unknown"},
            "payment_failure",
            logging.ERROR,
            {"channel": "unknown", "error.type": "unknown"},
        ),
        (
            record_upload_failure,
            (OSError(28, "full"),),
            {},
            "file_upload_failures_total",
            {"error_type": "OSError"},
            "file_upload_failure",
            logging.WARNING,
            {"error.type": "OSError"},
        ),
        (
            record_login_failure,
            ("password",),
            {"account": "someone@example.org"},
            "login_failures_total",
            {"reason": "password"},
            "login_failure",
            logging.INFO,
            {"reason": "password", "severity": "info"},
        ),
        (
            record_security_event,
            ("api_abuse", Severity.CRITICAL),
            {"client": "10.0.0.1", "requests": 5},
            "security_events_total",
            {"event_type": "api_abuse", "severity": "critical"},
            "api_abuse",
            logging.CRITICAL,
            {"client": "10.0.0.1", "requests": 5, "severity": "critical"},
        ),
    ],
)
def test_each_is_counted_and_told(live, spans, caplog, record, args, kwargs, metric, labels, event, level, attributes):
    events, records = told(spans, caplog, record, *args, **kwargs)
    seen = scrape(live)
    assert seen.value(metric, **labels) == seen.value(metric) == 1
    assert events == [(event, attributes)]
    assert records == [(level, event, attributes)]


def test_a_failed_login_is_a_security_event_too(live):
    record_login_failure(Channel.ALIPAY)
    record_login_failure("")
    seen = scrape(live)
    assert seen.series("login_failures_total", "reason") == {("alipay",): 1, ("unknown",): 1}
    assert seen.value("security_events_total", event_type="login_failure", severity="info") == 2
    assert seen.value("security_events_total") == 2


def test_an_account_is_told_to_nobody(live, spans, caplog):
    told(spans, caplog, record_login_failure, "password", account="someone@example.org")
    assert "someone" not in caplog.text
    assert "someone" not in live.render_metrics()[0].decode()


def test_a_thread_that_outlives_its_request_is_told_of_no_span_that_has_ended(live, caplog):
    with trace.get_tracer("test").start_as_current_span("request"):
        late = contextvars.copy_context()
    late.run(record_error, ValueError("x"), "late")
    assert scrape(live).value("application_errors_total", component="late") == 1
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


def test_a_registration_is_counted(live):
    for _ in range(3):
        record_user_registration()
    assert scrape(live).value("user_registrations_total") == 3


@pytest.mark.parametrize(
    ("event_type", "label"),
    [
        ("login_failure_burst", "login_failure_burst"),
        ("token_theft", "token_theft"),
        (Enum("Type", {"X": "token_theft"}).X, "token_theft"),
        ("unheard_of", "other"),
        (None, "other"),
        (5, "other"),
        ([], "other"),
    ],
)
def test_security_events_are_known_ones_or_other(event_type, label):
    telemetry = setup_telemetry(FastAPI(), security_event_types="token_theft")
    record_security_event(event_type)
    seen = scrape(telemetry)
    assert seen.value("security_events_total", event_type=label, severity="warning") == 1
    assert seen.value("security_events_total") == 1


@pytest.mark.parametrize("severity", ["fatal", "", None, 5, [], "INFO"])
def test_a_severity_that_is_none_is_refused(severity, caplog):
    setup_telemetry(FastAPI())
    with pytest.raises(ValueError, match="must be one of info, warning, critical"):
        record_security_event("api_abuse", severity)


@pytest.mark.parametrize("severity", ["fatal", "", None, 5, [], "INFO"])
def test_a_severity_that_is_none_is_a_warning_in_production(severity):
    telemetry = setup_telemetry(FastAPI(), strict=False)
    record_security_event("api_abuse", severity)
    assert scrape(telemetry).value("security_events_total") == 0


def test_channels_reasons_and_components_are_bounded(live):
    for n in range(250):
        record_payment_failure(f"channel{n}", f"error{n}")
        record_login_failure(f"reason{n}")
        record_error(f"error{n}", f"component{n}")
    seen = scrape(live)
    channels = seen.series("payment_failures_total", "channel")
    components = seen.series("application_errors_total", "component")
    reasons = seen.series("login_failures_total", "reason")
    assert (len(channels), channels[("other",)], sum(channels.values())) == (51, 200, 250)
    assert (len(reasons), reasons[("other",)], sum(reasons.values())) == (51, 200, 250)
    assert (len(components), components[("other",)], sum(components.values())) == (101, 150, 250)


def test_a_half_character_spoils_no_export(caplog):
    """JSON may hold one, OTLP cannot: it would lose the label, or the whole batch of spans."""
    half = json.loads('"\\ud83d"')
    with http_receiver() as received:
        telemetry = setup_telemetry(FastAPI(), otlp_endpoint=received.url, task_secret="s", strict=False)
        with trace.get_tracer("test").start_as_current_span("request"):
            record_error(half, half)
            record_payment_failure(half, half)
            record_login_failure(half)
            record_security_event(half, client=half)
            monitor_ai_task("flux", mode=half, model=half)(lambda: None)()
            complete_ai_task(start_ai_task(half, half, model=half).token, "failed", error_type=half)
        telemetry.shutdown()
        assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
        assert len(received.spans) == 4
        labels = {
            (item.key, item.value.string_value)
            for name in ("payment.failures", "application.errors", "login.failures", "ai.task.duration")
            for point in received.points(name)
            for item in point.attributes
        }
        told = r"\ud83d"
        assert labels >= {(key, told) for key in ("channel", "error.type", "component", "reason", "mode")}


CALLS = [
    (record_error, ("x", "y")),
    (record_payment_failure, ("alipay",)),
    (record_upload_failure, ()),
    (record_login_failure, ()),
    (record_security_event, ("api_abuse",)),
    (record_user_registration, ()),
]


@pytest.mark.parametrize(("record", "args"), CALLS)
def test_without_telemetry_nothing_is_recorded(record, args):
    record(*args)
    telemetry = setup_telemetry(FastAPI())
    telemetry.shutdown()
    record(*args)


@pytest.mark.faulty
class TestAFaultInside:
    @pytest.mark.parametrize(("record", "args"), CALLS)
    def test_reaches_no_caller(self, live, monkeypatch, record, args):
        def broken(*_args, **_kwargs):
            raise RuntimeError("a fault")

        monkeypatch.setattr(_events, "_tell", broken)
        record(*args)
        business = _events.current()
        monkeypatch.setattr(type(business.instruments), "__getitem__", broken)
        record(*args)

    def test_of_a_logging_handler_does_not_either(self, live):
        class Handler(logging.Handler):
            def emit(self, record):
                raise RuntimeError("of the application's")

        logger = logging.getLogger("wxiai_otel.events")
        handler = Handler()
        logger.addHandler(handler)
        try:
            for record, args in CALLS:
                record(*args)
        finally:
            logger.removeHandler(handler)
        assert scrape(live).value("payment_failures_total") == 1

    def test_of_what_is_given_does_not_either(self, live):
        class Hostile:
            def __str__(self):
                raise RuntimeError("hostile")

        record_error(Hostile(), Hostile())
        record_payment_failure(Hostile(), Hostile())
        record_upload_failure(Hostile())
        record_login_failure(Hostile(), account=Hostile())
        record_security_event(Hostile(), details=Hostile())
