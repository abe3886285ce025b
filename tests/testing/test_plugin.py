"""The plugin in the tests of an application, as whoever has installed the package runs them."""

import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

APPLICATION = """
    import threading
    from fastapi import FastAPI
    from wxiai_otel import setup_telemetry

    app = FastAPI()
    setup_telemetry(app)
    THREADS = [thread.name for thread in threading.enumerate() if thread.name.startswith("wxiai-otel")]

    @app.get("/items/{item_id}")
    def item(item_id: int):
        return item_id
"""

TESTS = """
    import pytest
    from starlette.testclient import TestClient
    from shop import THREADS, app
    from wxiai_otel.testing._telemetry import collector

    @pytest.mark.parametrize("requests", range(1, 5))
    def test_a_test_sees_what_it_has_done(telemetry, requests):
        with TestClient(app) as client:
            for number in range(requests):
                client.get(f"/items/{number}")
        assert telemetry.counter("http_requests_total") == requests
        assert telemetry.histogram("http_request_duration_seconds").count == requests
        assert telemetry.histogram("http_request_duration_seconds").buckets[float("inf")] == requests
        assert len(telemetry.spans("GET /items/{item_id}")) == requests
        assert len(telemetry.spans()) == requests

    def test_and_nothing_of_the_others(telemetry):
        assert telemetry.counter("http_requests_total") == 0
        assert telemetry.spans() == []

    def test_nothing_runs_in_the_background():
        assert THREADS == []

    def test_nothing_is_kept_for_a_test_that_does_not_ask():
        TestClient(app).get("/items/1")
        assert collector.spans == []
"""


@pytest.fixture
def shop(pytester, monkeypatch):
    """A folder with an application that is set up at module level, and its tests."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    # A collector that would be noticed: the end of the process would wait for it.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    # Other plugins cost a busy machine many seconds in each process.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(shop=APPLICATION, test_shop=TESTS)
    # As early as any of its kind: the application is set up before pytest is configured.
    pytester.makeconftest("import shop")
    return pytester


def run(shop, *options):
    arguments = ("-m", "pytest", "-p", "wxiai_otel.testing.plugin", "-p", "no:cacheprovider", "-q", *options)
    return shop.run(sys.executable, *arguments)


def test_tests_of_one_application_do_not_see_each_other(shop):
    run(shop).assert_outcomes(passed=7)


@pytest.mark.long
def test_nor_do_those_of_several_processes(shop):
    if importlib.util.find_spec("xdist") is None:
        pytest.skip("pytest-xdist is not installed")
    run(shop, "-p", "xdist", "-n", "2").assert_outcomes(passed=7)


def test_a_failed_assertion_says_what_was_counted(shop):
    shop.makepyfile(
        test_shop="""
        from starlette.testclient import TestClient
        from shop import app

        def test_fails(telemetry):
            TestClient(app).get("/nowhere")
            assert telemetry.counter("http_requests_total", status_code="200") == 1
        """
    )

    result = run(shop)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*assert 0.0 (http_requests_total{*status_code="404"* 1) == 1*'])


@pytest.mark.long
def test_where_telemetry_is_to_be_live_it_is_an_error_to_ask_for_another(shop, monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    shop.makeini("[pytest]\nwxiai_otel_live = true")

    result = run(shop, "-k", "in_the_background")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*wxiai-otel-*"])
    result = run(shop, "-k", "of_the_others")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*UnknownTelemetry: telemetry was set up before this test*wxiai_otel_live*"])


def test_pytest_finds_it_by_itself():
    entry_points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]

    (module,) = entry_points["pytest11"].values()
    assert importlib.util.find_spec(module) is not None


def test_without_pytest_its_types_can_be_imported():
    code = "import sys; sys.modules['pytest'] = None; from wxiai_otel.testing import TelemetryUnderTest"
    subprocess.run([sys.executable, "-c", code], check=True)
