"""What is sent outlives a receiver that is away and a fork, and what is lost is counted."""

import os
import threading
import time
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData
from opentelemetry.sdk.trace.export import SpanExportResult

from tests.internals import connections, deadline, faults
from tests.otlp import grpc_receiver, http_receiver
from tests.scrape import scrape
from tests.servers.ports import free_port
from tests.until import until
from wxiai_otel import setup_telemetry


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """All is sent at once, tried shortly, and tried again soon."""
    monkeypatch.setenv("WXIAI_OTEL_TRACE_SHARE", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_BLRP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setattr(connections, "PAUSE_SECONDS", (0.05, 0.1))
    monkeypatch.setattr(connections, "AT_ONCE_SECONDS", 0.0)


def set_up(url, **settings):
    return setup_telemetry(FastAPI(), otlp_endpoint=url, metric_export_interval=0.2, redis=False, sql=False, **settings)


def work(name):
    with trace.get_tracer("test").start_as_current_span(name):
        pass


def failed(telemetry, signal="traces"):
    return scrape(telemetry).value("wxiai_otel_exports_total", signal=signal, outcome="failed")


def ends(child: int) -> int:
    """The exit status of a child; fails where it hangs."""
    statuses = []

    def is_over():
        pid, status = os.waitpid(child, os.WNOHANG)
        statuses.append(status)
        return pid

    try:
        until(is_over)
    except AssertionError:
        os.kill(child, 9)
        os.waitpid(child, 0)
        raise
    return os.waitstatus_to_exitcode(statuses[-1])


def test_what_may_be_dropped_is_shown_from_the_start():
    """Metrics are not kept: the next ones say the same and more."""
    telemetry = set_up(f"http://127.0.0.1:{free_port()}", logs_exporter="otlp")
    assert scrape(telemetry).series("wxiai_otel_items_dropped_total", "signal", "reason") == {
        **dict.fromkeys(((signal, "rejected") for signal in ("traces", "metrics", "logs")), 0),
        **dict.fromkeys(((signal, "not_sent") for signal in ("traces", "logs")), 0),
        ("traces", "queue_full"): 0,
    }


def test_a_deadline_shortens_the_export_that_it_is_for_and_none_after_it():
    connection = connections.Connection("traces", SimpleNamespace(_timeout=10.0), lambda: None)
    allowed = []

    def export(exporter):
        allowed.append(exporter._timeout)
        return SpanExportResult.SUCCESS

    with deadline.until(time.monotonic() + 1):
        assert connection.once(export, lambda: 1)
    assert connection.once(export, lambda: 1)
    assert 0 < allowed[0] <= 1
    assert allowed[1] == 10


def test_spans_of_an_outage_all_arrive_once_however_often_they_were_tried():
    port = free_port()
    telemetry = set_up(f"http://127.0.0.1:{port}")
    for number in range(20):
        work(f"during {number}")
        time.sleep(0.01)  # in several batches
    until(lambda: failed(telemetry) >= 2)
    with http_receiver(port) as received:
        work("after")
        until(lambda: len(received.spans) >= 21)
        assert telemetry.force_flush(30)

        assert sorted(span.name for span in received.spans) == sorted([f"during {n}" for n in range(20)] + ["after"])
        assert scrape(telemetry).value("wxiai_otel_items_dropped_total", signal="traces", reason="not_sent") == 0


def test_records_of_an_outage_all_arrive(caplog):
    import logging

    log = logging.getLogger("app")
    log.setLevel(logging.INFO)
    port = free_port()
    telemetry = set_up(f"http://127.0.0.1:{port}", logs_exporter="otlp")
    # One batch is tried and fails, while others wait.
    for number in range(1500):
        log.info("%s", number)
    until(lambda: failed(telemetry, "logs") >= 2)
    with http_receiver(port) as received:
        until(lambda: len(received.records) >= 1500)

        assert {record.body.string_value for record in received.records} == {str(number) for number in range(1500)}


def test_beyond_its_room_the_oldest_are_dropped_and_counted(monkeypatch):
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    port = free_port()
    telemetry = set_up(f"http://127.0.0.1:{port}")
    work("first")
    until(lambda: scrape(telemetry).value("wxiai_otel_spans_queue_utilization_ratio"), equals=0)
    for number in range(300):
        work(f"{number}")
    seen = scrape(telemetry)
    with http_receiver(port) as received:
        until(lambda: len(received.spans) >= 101)

    assert seen.value("wxiai_otel_spans_queue_utilization_ratio") == 1
    assert seen.value("wxiai_otel_items_dropped_total", signal="traces", reason="queue_full") == 200
    assert {span.name for span in received.spans} == {"first", *map(str, range(200, 300))}


def test_what_is_refused_is_dropped_after_some_tries_and_holds_nothing_else_up(monkeypatch):
    monkeypatch.setattr(connections, "AT_ONCE_SECONDS", 5.0)
    with http_receiver() as received:
        received.refusals["/v1/traces"] = [400] * connections.REFUSALS
        telemetry = set_up(received.url)
        work("refused")
        until(lambda: not received.refusals["/v1/traces"])
        work("taken")
        until(lambda: received.spans)

        assert [span.name for span in received.spans] == ["taken"]
        assert scrape(telemetry).value("wxiai_otel_items_dropped_total", signal="traces", reason="not_sent") == 1


def test_after_the_shutdown_nothing_is_tried_any_more():
    telemetry = set_up(f"http://127.0.0.1:{free_port()}", shutdown_timeout=0.5)
    work("lost")
    began = time.monotonic()
    telemetry.shutdown()

    assert time.monotonic() - began < 30  # not the patience of a retry
    until(lambda: not [one for one in threading.enumerate() if one.name.startswith("OtelBatch")])


@pytest.mark.parametrize("start", [http_receiver, grpc_receiver], ids=["http", "grpc"])
def test_a_forked_child_sends_by_a_connection_of_its_own(start, monkeypatch):
    with start() as received:
        if start is grpc_receiver:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        telemetry = set_up(received.url)
        work("parent")
        assert telemetry.force_flush()
        before = set(received.peers)
        child = os.fork()
        if child == 0:
            work("child")
            os._exit(0 if telemetry.force_flush() else 1)

        assert ends(child) == 0
        assert "child" in [span.name for span in received.spans]
        if start is http_receiver:
            assert len(received.peers - before) >= 2, "the child has one for spans and one for metrics"


def test_a_child_that_is_forked_while_its_parent_exports_exports_too():
    with http_receiver() as received:
        received.goes_on.clear()
        telemetry = set_up(received.url)
        until(lambda: received.peers)  # the parent waits for an answer to its metrics
        child = os.fork()
        if child == 0:
            os._exit(0 if telemetry.force_flush(timeout=20) else 1)
        received.goes_on.set()

        assert ends(child) == 0


def test_flushing_again_and_again_while_nobody_answers_gathers_no_threads():
    telemetry = set_up(f"http://127.0.0.1:{free_port()}", metrics_exporter="none")
    work("waits")
    until(lambda: failed(telemetry))
    before = threading.active_count()
    for _ in range(20):
        assert not telemetry.force_flush(timeout=0.05)

    until(lambda: threading.active_count() <= before + 1)


def test_a_flush_whose_time_is_up_has_failed_and_is_no_fault():
    with http_receiver() as received:
        telemetry = set_up(received.url)
        for _ in range(10):
            assert not telemetry.force_flush(timeout=0)


class Closed(MetricExporter):
    """An exporter that raises where it is closed while it sends, as gRPC's."""

    def __init__(self):
        super().__init__()
        self.sends, self.closed = threading.Event(), threading.Event()

    def export(self, _data, *_args, **_kwargs):
        self.sends.set()
        self.closed.wait(30)
        raise ValueError("Cannot invoke RPC on closed channel!")

    def force_flush(self, *_args, **_kwargs):
        return True

    def shutdown(self, *_args, **_kwargs):
        self.closed.set()


def test_an_export_that_the_shutdown_cuts_off_has_failed_and_is_no_fault():
    exporter = Closed()
    connection = connections.Connection("metrics", exporter, lambda: None)
    metrics = connections.Metrics(connection)
    before = faults()
    thread = threading.Thread(target=metrics.export, args=(MetricsData([]),))
    thread.start()
    assert exporter.sends.wait(30)
    metrics.shutdown()
    thread.join(30)
    assert connection.outcomes == {"success": 0, "failed": 1}
    assert faults() == before
