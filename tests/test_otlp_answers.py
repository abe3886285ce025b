"""What answers an export may be anything: a busy Collector, a proxy's redirection, a page, a body without an end."""

import contextlib
import threading
import time
from itertools import pairwise

import pytest
from fastapi import FastAPI
from opentelemetry import trace

from tests.otlp import http_receiver
from tests.scrape import scrape
from tests.until import until
from wxiai_otel import _connections, _otlp_session, setup_telemetry


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setenv("WXIAI_OTEL_TRACE_SHARE", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setattr(_connections, "PAUSE_SECONDS", (0.05, 0.1))


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


def exports(telemetry, outcome):
    return scrape(telemetry).value("wxiai_otel_exports_total", signal="traces", outcome=outcome)


def test_who_asks_for_more_patience_than_an_exporter_has_gets_all_in_the_end(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "4")
    monkeypatch.setattr(_connections, "AT_ONCE_SECONDS", 0.1)
    monkeypatch.setattr(_otlp_session, "_PATIENCE_SECONDS", (0.15, 0.2))
    with http_receiver() as received:
        asked = []

        def busy(to):
            asked.append(time.monotonic())
            answers(429, retry_after="3600")(to)

        received.instead = busy
        telemetry = set_up(received.url)
        work("during")
        # More often than what is refused is tried: it would be dropped by then.
        until(lambda: len(asked) > 6 * _connections.REFUSALS, timeout=20)
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

        assert gone.wait(10)
        assert sum(written) < 32 * 2**20  # what the sockets hold
        assert until(lambda: exports(telemetry, "success") == 1)


def test_a_body_that_drips_holds_up_nothing(monkeypatch):
    monkeypatch.setattr(_otlp_session, "_BODY_SECONDS", 0.2)

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

        assert until(lambda: exports(telemetry, "success") == 1, timeout=3)


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
