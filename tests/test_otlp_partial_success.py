"""Items that a receiver rejects in an accepted request count as dropped, for every signal."""

import gzip
import json
import logging

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.otlp import grpc_receiver, http_receiver
from tests.scrape import scrape
from tests.test_otlp_answers import answers
from tests.until import until
from wxiai_otel import setup_telemetry

ALL = 10**9
PROTOBUF, JSON = "application/x-protobuf", "application/json"
RESPONSES = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
}


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setenv("WXIAI_OTEL_TRACE_SHARE", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_BLRP_SCHEDULE_DELAY", "20")


def response(signal, rejected, message=""):
    kind, field = RESPONSES[signal]
    made = kind()
    setattr(made.partial_success, field, rejected)
    made.partial_success.error_message = message
    return made


def exported(url, signal, protocol="http/protobuf"):
    """Return telemetry that exported three spans or log records, or some data points, of one signal."""
    exporters = {f"{other}_exporter": "none" for other in RESPONSES if other != signal}
    telemetry = setup_telemetry(
        FastAPI(),
        otlp_endpoint=url,
        otlp_protocol=protocol,
        redis=False,
        sql=False,
        **{f"{signal}_exporter": "otlp", **exporters},
    )
    with trace.get_tracer("test").start_as_current_span("root"):
        for _ in range(2):
            with trace.get_tracer("test").start_as_current_span("inner"):
                pass
    for _ in range(3):
        logging.getLogger("shop").warning("sold out")
    assert telemetry.force_flush(10)
    return telemetry


def outcomes(telemetry, signal):
    seen = scrape(telemetry)
    found = seen.series("wxiai_otel_exports_total", "signal", "outcome")
    dropped = seen.series("wxiai_otel_items_dropped_total", "signal", "reason")
    return (
        {outcome for (of, outcome), count in found.items() if of == signal and count},
        dropped[(signal, "rejected")],
        sum(count for (of, reason), count in dropped.items() if reason != "rejected"),
    )


def warnings(caplog):
    return [record.message for record in caplog.records if "The OTLP receiver" in record.message]


def json_body(signal, rejected, *, snake_case=False):
    field = RESPONSES[signal][1]
    names = ["partial_success", field, "error_message"]
    if not snake_case:
        names = ["".join(part.title() if n else part for n, part in enumerate(name.split("_"))) for name in names]
    return json.dumps({names[0]: {names[1]: str(rejected), names[2]: "quota"}}).encode()


ENCODINGS = {
    "protobuf": lambda signal, n: answers(200, response(signal, n, "quota").SerializeToString(), content_type=PROTOBUF),
    "no content type": lambda signal, n: answers(200, response(signal, n, "quota").SerializeToString()),
    "json": lambda signal, n: answers(200, json_body(signal, n), content_type=f"{JSON}; charset=utf-8"),
    "json in snake case": lambda signal, n: answers(200, json_body(signal, n, snake_case=True), content_type=JSON),
    "gzip": lambda signal, n: answers(
        200,
        gzip.compress(response(signal, n, "quota").SerializeToString()),
        content_type=PROTOBUF,
        content_encoding="gzip",
    ),
    "accepted": lambda signal, n: answers(202, response(signal, n, "quota").SerializeToString(), content_type=PROTOBUF),
}


@pytest.mark.parametrize(
    ("encoding", "signal"),
    [
        *((encoding, signal) for encoding in ("protobuf", "json", "json in snake case") for signal in RESPONSES),
        *((encoding, "traces") for encoding in ("no content type", "gzip", "accepted")),
    ],
)
def test_items_rejected_over_http_are_dropped(encoding, signal, caplog):
    with http_receiver() as received:
        received.instead = ENCODINGS[encoding](signal, 1)
        found, rejected, otherwise = outcomes(exported(received.url, signal), signal)
    assert (found, otherwise) == ({"success"}, 0)
    assert rejected >= 1
    assert len(warnings(caplog)) == 1
    assert warnings(caplog)[0].endswith(": quota")


@pytest.mark.parametrize("signal", RESPONSES)
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_fully_rejected_export_is_failed_and_not_retried(signal, protocol, caplog):
    with (http_receiver if protocol.startswith("http") else grpc_receiver)() as received:
        answer = response(signal, ALL, "quota")
        received.answers[signal] = answer
        received.instead = answers(200, answer.SerializeToString(), content_type=PROTOBUF)
        telemetry = exported(received.url, signal, protocol)
        found, rejected, otherwise = outcomes(telemetry, signal)
        assert (found, otherwise) == ({"failed"}, 0)
        if signal == "metrics":
            assert rejected > 10
        else:
            assert rejected == 3
        assert "quota" in warnings(caplog)[0]


@pytest.mark.parametrize("signal", RESPONSES)
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_warning_is_only_logged(signal, protocol, caplog):
    with (http_receiver if protocol.startswith("http") else grpc_receiver)() as received:
        answer = response(signal, 0, "deprecated: password=hunter2hunter2\n" + 5_000 * "x")
        received.answers[signal] = answer
        received.instead = answers(200, answer.SerializeToString(), content_type=PROTOBUF)
        assert outcomes(exported(received.url, signal, protocol), signal) == ({"success"}, 0, 0)
    (warning,) = warnings(caplog)
    assert "deprecated" in warning
    assert "hunter2" not in warning
    assert "\n" not in warning
    assert len(warning) < 500


REJECTION = response("traces", 3, "quota").SerializeToString()
HARMLESS = {
    "empty": answers(200, content_type=PROTOBUF),
    "truncated": answers(200, REJECTION[:-2], content_type=PROTOBUF),
    "garbage": answers(200, b"\xff" * 100, content_type=PROTOBUF),
    "too long": answers(200, response("traces", 3, 100_000 * "x").SerializeToString(), content_type=PROTOBUF),
    "negative": answers(200, response("traces", -5).SerializeToString(), content_type=PROTOBUF),
    "no json": answers(200, b"{", content_type=JSON),
    "other json": answers(200, b'["partialSuccess"]', content_type=JSON),
    "json without a number": answers(200, b'{"partialSuccess": {"rejectedSpans": "many"}}', content_type=JSON),
    "json of null": answers(200, b'{"partialSuccess": null}', content_type=JSON),
    "text": answers(200, REJECTION, content_type="text/plain"),
    "no gzip": answers(200, REJECTION, content_type=PROTOBUF, content_encoding="gzip"),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_a_body_without_a_rejection_is_a_success_and_no_fault(case, caplog):
    with http_receiver() as received:
        received.instead = HARMLESS[case]
        assert outcomes(exported(received.url, "traces"), "traces") == ({"success"}, 0, 0)
    assert warnings(caplog) == []


def test_rejections_are_logged_once_a_minute_and_counted_each_time(caplog):
    with http_receiver() as received:
        received.instead = answers(200, response("traces", ALL).SerializeToString(), content_type=PROTOBUF)
        telemetry = exported(received.url, "traces")
        for _ in range(5):
            with trace.get_tracer("test").start_as_current_span("more"):
                pass
            assert telemetry.force_flush(10)
        assert until(lambda: outcomes(telemetry, "traces")[1] == 8)
    assert len(warnings(caplog)) == 1
