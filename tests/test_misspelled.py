"""Environment variables that look like settings and are none: a warning at the set-up, with the likeliest setting."""

import logging

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.internals import load_bridge
from wxiai_otel import init_alert_manager, setup_telemetry
from wxiai_otel.settings import load_settings


@pytest.fixture
def warnings(caplog, monkeypatch):
    """Sets variables, sets up, and returns what was logged about variables."""

    def set_up(**environ: str) -> list[str]:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        setup_telemetry(FastAPI())
        return [line for line in caplog.messages if line.startswith("environment variable ")]

    return set_up


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("WXIAI_OTEL_TRACESHARE", "WXIAI_OTEL_TRACE_SHARE"),
        ("WXIAI_OTEL_TRACE_SHRAE", "WXIAI_OTEL_TRACE_SHARE"),
        ("WXIAI_OTEL__TRACE_SHARE", "WXIAI_OTEL_TRACE_SHARE"),
        ("wxiai_otel_trace_share", "WXIAI_OTEL_TRACE_SHARE"),
        ("WXIAI-OTEL-TRACE-SHARE", "WXIAI_OTEL_TRACE_SHARE"),
        ("WXIAI_OTELTRACE_SHARE", "WXIAI_OTEL_TRACE_SHARE"),
        ("WXIAIOTEL_TRACE_SHARE", "WXIAI_OTEL_TRACE_SHARE"),
        ("WXIAI_OTLE_TRACE_SHARE", "WXIAI_OTEL_TRACE_SHARE"),
        ("WXAI_OTEL_TRACE_SHARE", "WXIAI_OTEL_TRACE_SHARE"),
        ("WXAI_OTEL_TRACESHARE", "WXIAI_OTEL_TRACE_SHARE"),
        ("WXIAI_OTEL_TASK_SECRET_FILE", "WXIAI_OTEL_TASK_SECRET"),
        ("WXIAI_OTEL_SERVICE_NAME", "OTEL_SERVICE_NAME"),
        ("WXIAI_OTEL_REDIS_CLIENT", "WXIAI_OTEL_REDIS_URL"),
        ("WXIAI_OTEL_FIND_USER", "setup_telemetry(find_user=…)"),
        ("OTEL_EXPORTER_OTLP_ENDIPONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_EXPORTER_OTLP_TRACE_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ("OTEL_METRICS_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_INTERVAL"),
        ("OTLE_SERVICE_NAME", "OTEL_SERVICE_NAME"),
        ("OTEL_TRACE_SAMPLER", "OTEL_TRACES_SAMPLER"),
        ("otel_sdk_disabled", "OTEL_SDK_DISABLED"),
    ],
)
def test_it_is_named_with_the_likeliest_setting_and_without_its_value(warnings, variable, meant):
    assert warnings(**{variable: "hunter2"}) == [
        f"environment variable {variable} is ignored: there is no such setting; did you mean {meant}?"
    ]


@pytest.mark.parametrize("variable", ["WXIAI_OTEL_COLOUR", "wxiai_otel_colour"])
def test_one_that_is_like_no_setting_is_named_alone(warnings, variable):
    assert warnings(**{variable: "red"}) == [f"environment variable {variable} is ignored: there is no such setting"]


@pytest.mark.parametrize(
    "variable",
    [
        # The application's own
        "WXIAI_REDIS_URL",
        "WXIAI_SECURITY_EVENT_TYPES",
        "WXIAI_TRUSTED_PROXIES",
        "WXIAI_OTEL",
        "HOTEL_NAME",
        # The bridge's
        "WXIAI_BRIDGE_TIMEOUT",
        # Open WebUI's
        "ENABLE_OTEL",
        "OTEL_METRICS_EXPORTER_OTLP_ENDPOINT",
        "OTEL_METRICS_EXPORT_INTERVAL_MILLIS",
        "OTEL_BASIC_AUTH_USERNAME",
        # OpenTelemetry's, which its SDK for Python does not list
        "OTEL_SERVICE_VERSION",
        "OTEL_SERVICE_NAMESPACE",
        "OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT",
        "OTEL_EXPORTER_JAEGER_ENDPOINT",
        "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS",
        "OTEL_PYTHON_LOG_CORRELATION",
        "OTEL_SEMCONV_STABILITY_OPT_IN",
        # and one that it does
        "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION",
    ],
)
def test_variables_of_others_are_left_alone(warnings, variable):
    assert warnings(**{variable: "gzip"}) == []


def test_an_empty_variable_is_an_unset_one(warnings):
    assert warnings(WXIAI_OTEL_TRACESHARE=" ") == []


def test_it_is_logged_once_for_all_applications_and_requests_of_a_process(warnings, caplog):
    warnings(WXIAI_OTEL_TRACESHARE="1")
    app = FastAPI()
    setup_telemetry(app)
    with TestClient(app) as client:
        client.get("/")

    assert caplog.text.count("WXIAI_OTEL_TRACESHARE") == 1


def test_a_name_cannot_break_the_log_or_fill_it(warnings):
    named = warnings(**{"WXIAI_OTEL_\n\x1b[31m": "1", f"WXIAI_OTEL_{'X' * 10_000}": "1"})

    assert len(named) == 2
    assert all(line.isprintable() and len(line) < 200 for line in named)


def test_of_very_many_some_are_named(warnings):
    assert len(warnings(**{f"WXIAI_OTEL_{number}": "1" for number in range(1_000)})) == 20


@pytest.mark.faulty
def test_a_log_handler_that_raises_does_not_stop_the_set_up(monkeypatch):
    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> None:
            raise RuntimeError

    monkeypatch.setenv("WXIAI_OTEL_TRACESHARE", "1")
    logger, handler = logging.getLogger("wxiai_otel"), Broken()
    logger.addHandler(handler)
    try:
        telemetry = setup_telemetry(FastAPI())
    finally:
        logger.removeHandler(handler)

    assert b"system_info" in telemetry.render_metrics()[0]


SECRET = "https://oapi.dingtalk.com/robot/send?access_token=abcdef0123456789abcdef0123456789"


@pytest.mark.parametrize(
    "swapped",
    [
        lambda: init_alert_manager({SECRET: "dingtalk"}),
        lambda: init_alert_manager({"webhook": {"url": "http://example.com", SECRET: "token"}}),
        lambda: load_bridge(None, {f"WXIAI_BRIDGE_{SECRET}": "1"}),
        lambda: load_settings({SECRET: "otlp_endpoint"}, {}),
    ],
)
def test_an_unknown_name_shows_no_secret(swapped):
    with pytest.raises(ValueError, match=r"is not known|no setting") as raised:
        swapped()
    assert "abcdef" not in str(raised.value)
    assert str(raised.value).isprintable()
