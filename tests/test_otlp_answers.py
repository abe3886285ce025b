"""What answers an export may be anything: a busy Collector, a proxy's redirection, a page, a body without an end."""

import contextlib
import logging
import socket
import threading
import time
from itertools import pairwise

import grpc
import pytest
from fastapi import FastAPI
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry import trace

from tests.internals import connections, otlp_grpc, otlp_session, remote
from tests.otlp import grpc_receiver, http_receiver
from tests.scrape import scrape
from tests.servers.robots import FLOODS
from tests.test_remote import DELAYS
from tests.until import until
from wxiai_otel import setup_telemetry


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setenv("WXIAI_OTEL_TRACE_SHARE", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setattr(connections, "PAUSE_SECONDS", (0.05, 0.1))


def set_up(url):
    return setup_telemetry(FastAPI(), otlp_endpoint=url, metrics_exporter="none", redis=False, sql=False)


def work(name):
    with trace.get_tracer("test").start_as_current_span(name):
        pass


def answers(status, body=b"", **headers):
    def answer(to):
        to.send_response(status)
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.send_header("content-length", str(len(body)))
        to.end_headers()
        to.wfile.write(body)

    return answer


def exports(telemetry, outcome, signal="traces"):
    return scrape(telemetry).value("wxiai_otel_exports_total", signal=signal, outcome=outcome)


def test_who_asks_for_more_patience_than_an_exporter_has_gets_all_in_the_end(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    monkeypatch.setattr(connections, "AT_ONCE_SECONDS", 0.1)
    monkeypatch.setattr(otlp_session, "_PATIENCE_SECONDS", (0.06, 0.1))
    with http_receiver() as received:
        asked = []

        def busy(to):
            asked.append(time.monotonic())
            answers(429, retry_after="3600")(to)

        received.instead = busy
        telemetry = set_up(received.url)
        work("during")
        # Longer than an exporter tries, and more often than what is refused is tried: it would be dropped by then.
        until(lambda: len(asked) > 6 * connections.REFUSALS and asked[-1] - asked[0] > 2)
        received.instead = None
        until(lambda: received.spans)

        assert [span.name for span in received.spans] == ["during"]
        assert scrape(telemetry).value("wxiai_otel_items_dropped_total", signal="traces", reason="not_sent") == 0
        assert min(after - before for before, after in pairwise(asked)) > 0.05


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answers(301, location="https://login.example/"), "it redirects to 'https://login.example/'"),
        (answers(200, b"<html>", content_type="text/html; charset=utf-8"), "this is no receiver of OTLP"),
    ],
    ids=["redirection", "page"],
)
def test_what_is_no_receiver_is_a_failure_that_says_why(answer, said, caplog):
    with http_receiver() as received:
        received.instead = answer
        telemetry = set_up(received.url)
        work("lost")

        assert until(lambda: exports(telemetry, "failed"))
        assert exports(telemetry, "success") == 0
        assert said in caplog.text


def test_a_body_without_an_end_is_not_read(monkeypatch):
    written = []
    gone = threading.Event()

    def endless(to):
        to.send_response(200)
        to.send_header("transfer-encoding", "chunked")
        to.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(2_000):  # 125 MiB
                to.wfile.write(b"10000\r\n" + 0x10000 * b"x" + b"\r\n")
                written.append(0x10000)
        gone.set()

    with http_receiver() as received:
        received.instead = endless
        telemetry = set_up(received.url)
        work("taken")

        assert gone.wait(30)
        assert sum(written) < 32 * 2**20  # what the sockets hold
        assert until(lambda: exports(telemetry, "success") == 1)


def test_a_body_that_drips_holds_up_nothing(monkeypatch):
    monkeypatch.setattr(otlp_session, "_BODY_SECONDS", 0.2)

    def drips(to):
        to.send_response(200)
        to.send_header("content-length", "1000")
        to.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                to.wfile.write(b"x")
                time.sleep(0.05)

    with http_receiver() as received:
        received.instead = drips
        telemetry = set_up(received.url)
        work("taken")

        assert until(lambda: exports(telemetry, "success") == 1)


# What a receiver requests, and whether that is a delay. One that refuses at once would be given up after some attempts.
REQUESTED = [
    ([value.encode().decode("latin-1")], seconds is not None)
    for value, seconds in DELAYS
    if value.isprintable() and len(value) < 1_000
]


@pytest.mark.parametrize(("values", "valid"), [*REQUESTED, (["5", "3600"], True)], ids=lambda value: repr(value)[:40])
def test_whatever_delay_a_receiver_requests_all_arrives_soon_after_it_takes_again(values, valid, monkeypatch):
    monkeypatch.setattr(otlp_session, "_PATIENCE_SECONDS", (0.05, 0.1))
    with http_receiver() as received:
        asked = []

        def busy(to):
            asked.append(time.monotonic())
            to.send_response(503)
            for each in values:
                to.send_header("retry-after", each)
            to.send_header("content-length", "0")
            to.end_headers()

        received.instead = busy
        telemetry = set_up(received.url)
        work("during")
        assert until(lambda: len(asked) > (connections.REFUSALS if valid else 0))
        received.instead = None
        assert until(lambda: received.spans)
        # An invalid delay does not make the exporter give up at once.
        assert valid or exports(telemetry, "failed") == 0
        assert scrape(telemetry).value("wxiai_otel_items_dropped_total", signal="traces", reason="not_sent") == 0


def retry_info(seconds, nanos=0):
    info = RetryInfo()
    info.retry_delay.seconds, info.retry_delay.nanos = seconds, nanos
    return info.SerializeToString()


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        ([retry_info(0)], True),
        ([retry_info(3_600)], True),
        ([retry_info(-3_600)], True),
        ([retry_info(2**62, 10**9 - 1)], True),
        ([retry_info(-(2**62), -(10**9) + 1)], True),
        ([retry_info(3_600), retry_info(0)], True),
        ([b""], True),
        ([b"\xff\xff not a message"], False),
        ([], False),
    ],
    ids=lambda values: repr(values)[:40],
)
@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_whatever_delay_a_receiver_requests_by_grpc_all_arrives_soon_after_it_takes_again(
    signal, values, valid, monkeypatch
):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_BLRP_SCHEDULE_DELAY", "50")
    monkeypatch.setattr(otlp_grpc, "export_delay", lambda *args: remote.export_delay(*args, (0.05, 0.1)))
    with grpc_receiver() as received:
        asked = []

        def busy(context):
            asked.append(time.monotonic())
            context.set_trailing_metadata([("google.rpc.retryinfo-bin", value) for value in values])
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")

        received.aborts = busy
        exporters = {f"{kind}_exporter": "otlp" if kind == signal else "none" for kind in ("traces", "metrics", "logs")}
        telemetry = setup_telemetry(
            FastAPI(), otlp_endpoint=received.url, metric_export_interval=0.1, redis=False, sql=False, **exporters
        )
        work("during")
        logging.getLogger("app").warning("during")
        assert until(lambda: len(asked) > (connections.REFUSALS if valid else 0))
        received.aborts = None
        assert until(lambda: getattr(received, signal))
        assert valid or exports(telemetry, "failed", signal) == 0
        if signal != "metrics":
            assert scrape(telemetry).value("wxiai_otel_items_dropped_total", signal=signal, reason="not_sent") == 0


@pytest.mark.parametrize("kind", FLOODS)
def test_a_response_is_bounded_in_time_and_size(kind, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    monkeypatch.setattr(otlp_session, "_BODY_SECONDS", 0.2)
    begin, repeated, pause = FLOODS[kind]
    written = []

    def floods(to):
        to.close_connection = True
        with contextlib.suppress(OSError):
            to.wfile.write(begin)
            for _ in range(100_000):
                to.wfile.write(repeated)
                written.append(len(repeated))
                if pause:
                    time.sleep(pause)

    with http_receiver() as received:
        received.instead = floods
        telemetry = set_up(received.url)
        work("flooded")
        assert until(lambda: exports(telemetry, "success") + exports(telemetry, "failed") > 0)
        received.instead = None
        work("later")
        assert until(lambda: "later" in [span.name for span in received.spans])
        assert sum(written) < 64 * 2**20


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["status", "headers"])
def test_a_proxy_that_drips_is_bounded_in_time(begin, monkeypatch):
    gone = threading.Event()

    def drips(listening):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(begin)
                    while not gone.wait(0.05):
                        connection.sendall(b"x: y\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
        thread = threading.Thread(target=drips, args=(listening,), daemon=True)
        thread.start()
        telemetry = set_up("https://collector.example:4318")
        work("lost")
        assert until(lambda: exports(telemetry, "failed"))
        gone.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_connections_are_kept_from_one_export_to_the_next():
    with http_receiver() as received:
        telemetry = set_up(received.url)
        for number in range(5):
            work(f"{number}")
            assert telemetry.force_flush()

        assert len(received.spans) == 5
        assert len(received.peers) == 1


@pytest.mark.parametrize(("headers", "shown"), [("", "Basic dXNlcjpwYXNz"), ("authorization=Bearer%20it", "Bearer it")])
def test_the_user_of_an_endpoint_is_shown_where_no_header_is_named(headers, shown, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)
    with http_receiver() as received:
        seen = []

        def look(to):
            seen.append(to.headers["authorization"])
            answers(200)(to)

        received.instead = look
        set_up(received.url.replace("//", "//user:pass@"))
        work("a")

        assert until(lambda: seen) == [shown]
