"""Every test begins and ends without telemetry, and ends without a fault inside it."""

import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
from fastapi import FastAPI
from opentelemetry import metrics, trace
from opentelemetry._logs import _internal as logs_internal
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

from tests.otlp import Received, http_receiver
from tests.servers.postgresql import PostgresqlServer, run_postgresql
from tests.servers.redis import RedisServer, run_redis, run_redis_cluster
from wxiai_otel import Telemetry, _guard, _runtime, setup_telemetry

with suppress(ImportError):  # not in every environment
    from hypothesis import settings

    # How long an example takes is up to the scheduler.
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")

pytest_plugins = ["pytester", "wxiai_otel.testing.plugin"]


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell's background job has it: the programs that tests interrupt would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def forget_global_providers() -> None:
    """OpenTelemetry's globals can be set only once in a process; tests need them anew."""
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE = Once()
    metrics_internal._METER_PROVIDER = None
    metrics_internal._METER_PROVIDER_SET_ONCE = Once()
    logs_internal._LOGGER_PROVIDER = None
    logs_internal._LOGGER_PROVIDER_SET_ONCE = Once()
    assert metrics.get_meter_provider() is not None


@pytest.fixture(autouse=True)
def without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests are not theirs."""
    import os

    for name in list(os.environ):
        if name.startswith(("OTEL_", "WXIAI_OTEL_", "FASTAPI_OTEL_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def fresh_telemetry(request: pytest.FixtureRequest) -> Iterator[None]:
    """End the telemetry that a test has set up; fail where it kept a fault from the application, unless marked."""
    forget_global_providers()
    before = _guard.faults()
    yield
    if _runtime._runtime is not None:
        _runtime._runtime.allowance.left = 1.0
        _runtime._runtime.shutdown()
    forget_global_providers()
    if request.node.get_closest_marker("faulty") is None:
        new = {site: count for site, count in _guard.faults().items() if count != before.get(site, 0)}
        assert not new, f"faults inside the telemetry: {new}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the containers, which take minutes and mostly wait: the other tests run meanwhile."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/compose/test_containers.py"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Keep reports encodable: a test that logs half a surrogate would end the worker process that reports it."""
    outcome = yield
    report = outcome.get_result()
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """The finished spans of a global tracer provider that the application has made before the set-up."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def app() -> FastAPI:
    """An application without routes."""
    return FastAPI()


@pytest.fixture
def live(request: pytest.FixtureRequest, app: FastAPI) -> Telemetry:
    """The telemetry of `app`, as in production: with its threads and exports."""
    if "spans" in request.fixturenames:
        request.getfixturevalue("spans")
    return setup_telemetry(app)


@pytest.fixture
def received() -> Iterator[Received]:
    """What an OTLP receiver is sent over HTTP."""
    with http_receiver() as received:
        yield received


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    """The Redis of a test process, with what earlier tests have left in it."""
    with run_redis("--enable-debug-command", "local") as server:
        yield server


@pytest.fixture
def redis_server(running_redis: RedisServer) -> RedisServer:
    """A Redis that is empty and has counted nothing."""
    for command in ("FLUSHALL", "SCRIPT FLUSH", "CONFIG RESETSTAT"):
        running_redis.ask(*command.split())
    return running_redis


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisServer]:
    """One primary of a Redis cluster of three."""
    with run_redis_cluster() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """The PostgreSQL of a test process."""
    with run_postgresql() as server:
        yield server
