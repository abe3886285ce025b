"""All parts of a shutdown together take no longer than the setting shutdown_timeout."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.clock import Clock
from tests.internals import deadline
from tests.otlp import http_receiver
from tests.servers.uvicorn import uvicorn
from tests.until import until
from wxiai_otel import setup_telemetry

# For the shutdown of uvicorn and the interpreter on a busy machine. An export without a deadline takes 10 s and more.
GRACE = 8


@contextmanager
def refusing() -> Iterator[str]:
    yield "http://127.0.0.1:9"


@contextmanager
def silent() -> Iterator[str]:
    """Run a server that accepts connections and never answers; yield its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def seconds_of(action) -> float:
    before = time.monotonic()
    action()
    return time.monotonic() - before


class TestASignal:
    @pytest.mark.parametrize(
        ("collector", "protocol", "number"),
        [
            (refusing, "http/protobuf", signal.SIGINT),
            (silent, "grpc", signal.SIGTERM),
        ],
    )
    def test_ends_a_server_whose_collector_is_away_within_the_timeout(self, collector, protocol, number):
        timeout = 1
        with collector() as endpoint:
            env = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "WXIAI_OTEL_SHUTDOWN_TIMEOUT": str(timeout),
            }
            with uvicorn("tests.lifetimes.served:app", env=env) as server:
                urllib.request.urlopen(f"{server.url}/x").close()
                server.process.send_signal(number)
                assert seconds_of(lambda: server.process.wait(30)) < timeout + GRACE


class TestTheParts:
    """The parts of a shutdown in this process, whose collector never answers."""

    @pytest.fixture
    def endpoint(self):
        with silent() as endpoint:
            yield endpoint

    def serve(self, app) -> None:
        with TestClient(app) as client:
            client.get("/x")

    def test_share_the_time_of_one_application(self, endpoint):
        app = FastAPI()
        telemetry = setup_telemetry(app, otlp_endpoint=endpoint, shutdown_timeout=1.5)

        def end():
            self.serve(app)
            telemetry.shutdown()

        # The flush at the end of the lifespan takes it all.
        assert seconds_of(end) < 2 * 1.5

    def test_share_the_time_of_several_applications(self, endpoint):
        apps = [FastAPI() for _ in range(3)]
        telemetries = [setup_telemetry(app, otlp_endpoint=endpoint, shutdown_timeout=1) for app in apps]

        def end():
            # They start together, as those of one server do.
            with TestClient(apps[0]), TestClient(apps[1]), TestClient(apps[2]):
                pass
            for telemetry in telemetries:
                telemetry.shutdown()

        assert seconds_of(end) < 3 * 1

    def test_have_the_whole_time_again_in_the_next_lifespan(self, endpoint):
        app = FastAPI()
        setup_telemetry(app, otlp_endpoint=endpoint, shutdown_timeout=0.5)

        for _ in range(2):
            assert 0.4 < seconds_of(lambda: self.serve(app)) < GRACE

    def test_leave_the_flushes_of_the_application_their_own_time(self, endpoint):
        app = FastAPI()
        telemetry = setup_telemetry(app, otlp_endpoint=endpoint, shutdown_timeout=0.3)
        self.serve(app)

        assert 0.4 < seconds_of(lambda: telemetry.force_flush(0.5)) < GRACE


def test_a_shutdown_without_time_left_still_ends_the_threads():
    before = set(threading.enumerate())
    for _ in range(3):
        telemetry = setup_telemetry(FastAPI(), otlp_endpoint="http://127.0.0.1:9", shutdown_timeout=0.01)
        telemetry._runtime.providers.shutdown(0)
        telemetry.shutdown()

    until(lambda: set(threading.enumerate()) <= before)


def test_measurements_after_a_short_lifespan_are_exported_at_exit():
    with http_receiver() as receiver:
        code = (
            "from starlette.testclient import TestClient\n"
            "from tests.lifetimes.served import app\n"
            "with TestClient(app) as client: client.get('/x')\n"
            "TestClient(app).get('/x')\n"
        )
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "PATH": ""}
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=100, env=env)

        assert sum(point.count for point in receiver.points("http.server.request.duration")) == 2


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(deadline, "time", clock)
    return clock


class TestAllowance:
    def test_is_the_time_that_earlier_parts_left_over(self, clock):
        allowance = deadline.Allowance(1)
        with allowance.spent() as first:
            clock.now += 0.1
        with allowance.spent() as second:
            assert second - clock.now == pytest.approx(0.9)
        assert second == pytest.approx(first)

    def test_has_one_deadline_for_parts_that_overlap(self, clock):
        allowance = deadline.Allowance(1)
        with allowance.spent() as outer, allowance.spent() as inner:
            assert inner == outer
            clock.now += 0.1
        assert allowance.left == pytest.approx(0.9)

    def test_is_not_used_in_between(self, clock):
        allowance = deadline.Allowance(1)
        with allowance.spent():
            pass
        clock.now += 0.1
        assert allowance.left == 1

    def test_keeps_a_little_for_the_last_part(self, clock):
        allowance = deadline.Allowance(0)
        with allowance.spent(0.25) as until:
            assert until - clock.now == 0.25

    def test_is_whole_again_after_a_refill(self, clock):
        allowance = deadline.Allowance(0.1)
        with allowance.spent():
            clock.now += 0.15
        assert allowance.left == 0
        allowance.refill()
        assert allowance.left == 0.1


def test_the_earliest_deadline_is_in_force(clock):
    left, until = deadline.left, deadline.until
    assert left(60) == 60
    with until(clock.now + 1), until(clock.now + 5):
        assert left(60) == 1
        with until(clock.now - 1):
            assert left(60) == 0
    assert left(60) == 60
