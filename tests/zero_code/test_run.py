"""`wxiai-otel run`: whatever serves an application, it has the telemetry that the call gives it, once."""

import importlib.util
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.otlp import http_receiver
from tests.servers.ports import free_port
from tests.servers.program import listens, program
from tests.servers.uvicorn import Server, uvicorn

ROOT = Path(__file__).parents[2]
RUN = [sys.executable, "-m", "wxiai_otel.cli", "run"]
PATHS = (
    "/items/1",
    "/items/2",
    "/items/0",
    "/broken",
    "/mounted/models/flux",
    "/nowhere",
    "/mounted/monitoring/metrics",
)

needs_fastapi_cli = pytest.mark.skipif(
    importlib.util.find_spec("fastapi_cli") is None, reason="fastapi-cli is not installed"
)


@pytest.fixture(autouse=True)
def project_on_the_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))


@contextmanager
def running(*command: str, env: dict[str, str] | None = None):
    """Run a command that serves the shop; ``PORT`` is put in its place."""
    port = free_port()
    words = [word.replace("PORT", str(port)) for word in command]
    with program([*RUN, "--", *words], lambda: listens(port), env={**os.environ, **(env or {})}) as process:
        yield Server(process, port)


def ask(server, *paths):
    for path in paths:
        try:
            urllib.request.urlopen(server.url + path, timeout=100).close()
        except urllib.error.HTTPError as error:
            error.close()


def counted(server):
    ask(server, *PATHS)
    return server.scrape().series("http_requests_total", "endpoint", "status_code")


COUNTED = {
    ("/items/{item_id}", "200"): 2,
    ("/items/{item_id}", "404"): 1,
    ("/broken", "500"): 1,
    ("/mounted/models/{name}", "200"): 1,
    ("/mounted/{path}", "404"): 1,
    ("unmatched", "404"): 1,
}

APP = "tests.zero_code.shop:app"
QUIET = ("--log-level", "critical")
UVICORN_WORKER = ("--worker-class", "uvicorn_worker.UvicornWorker", "--bind", "127.0.0.1:PORT")


@pytest.mark.parametrize(
    "command",
    [
        ("uvicorn", APP, "--port", "PORT", *QUIET),
        ("uvicorn", APP, "--port", "PORT", "--workers", "2", *QUIET),
        ("uvicorn", APP, "--port", "PORT", "--reload", "--reload-dir", "tests/zero_code", *QUIET),
        ("uvicorn", "tests.zero_code.shop:create_app", "--factory", "--port", "PORT", *QUIET),
        ("uvicorn", APP, "--port", "PORT", "--lifespan", "off", *QUIET),
        ("gunicorn", APP, "--workers", "2", *UVICORN_WORKER, *QUIET),
        ("gunicorn", APP, "--workers", "2", "--preload", *UVICORN_WORKER, *QUIET),
        ("python", "-m", "uvicorn", APP, "--port", "PORT", *QUIET),
        ("python", "-m", "tests.zero_code.shop", "PORT"),
        pytest.param(("fastapi", "run", "tests/zero_code/shop.py", "--port", "PORT"), marks=needs_fastapi_cli),
        pytest.param(("fastapi", "dev", "tests/zero_code/shop.py", "--port", "PORT"), marks=needs_fastapi_cli),
    ],
    ids=lambda command: " ".join(word for word in command if word not in (APP, *QUIET, *UVICORN_WORKER)),
)
@pytest.mark.long
def test_whatever_serves_an_application_its_requests_are_counted(command):
    with running(*command) as server:
        assert counted(server) == COUNTED


@pytest.fixture(scope="module")
def by_the_call():
    """The series, and the spans, of an application that calls setup_telemetry."""
    with http_receiver() as received:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.url, "WXIAI_OTEL_TRACE_SHARE": "1", "SETUP": "module"}
        with uvicorn(APP, "--log-level", "critical", env=env) as server:
            return ended(server, received)


def ended(server, received):
    ask(server, *PATHS)
    series = {(sample.name, *sorted(sample.labels.items())) for sample in server.scrape().samples}
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    spans = sorted((span.name, span.kind, len(span.attributes)) for span in received.spans)
    return {one for one in series if one[0] != "system_info"}, spans


@pytest.mark.long
def test_the_result_is_that_of_the_call(by_the_call):
    with http_receiver() as received:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.url, "WXIAI_OTEL_TRACE_SHARE": "1"}
        with running("uvicorn", APP, "--port", "PORT", *QUIET, env=env) as server:
            found = ended(server, received)

    assert found == by_the_call


@pytest.mark.parametrize("where", ["module", "lifespan"])
def test_an_application_that_calls_it_itself_is_set_up_once_and_by_its_own_settings(where, capfd):
    with running("uvicorn", APP, "--port", "PORT", "--log-level", "warning", env={"SETUP": where}) as server:
        assert counted(server) == COUNTED
        assert server.scrape().series("system_info", "environment") == {("its-own",): 1}
    assert "called twice" not in capfd.readouterr().err


def test_one_that_uses_the_helpers_only_is_set_up_and_exports_at_its_end(tmp_path):
    (tmp_path / "uses.py").write_text(
        "from wxiai_otel import record_user_registration\n"
        "from tests.zero_code.shop import app\n"
        "app.get('/register')(record_user_registration)\n"
    )
    with http_receiver() as received:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.url, "OTEL_METRIC_EXPORT_INTERVAL": "60000"}
        with running("uvicorn", "uses:app", "--app-dir", str(tmp_path), "--port", "PORT", *QUIET, env=env) as server:
            ask(server, "/register")
            assert server.scrape().value("user_registrations_total") == 1
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(30)
        assert [point.as_int for point in received.points("user.registrations")][-1] == 1


def run(*command: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*RUN, *command], env={**os.environ, **env}, capture_output=True, text=True, timeout=100, check=False
    )


def test_another_sitecustomize_is_still_run(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.customized = 'by theirs'")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")

    assert run("python", "-c", "import fastapi; print(customized)").stdout == "by theirs\n"


def test_a_command_that_serves_nothing_is_as_it_was_and_imports_nothing():
    code = "import sys; print('fastapi' in sys.modules, 'wxiai_otel' in sys.modules, sys.argv[1:]); sys.exit(3)"

    done = run("--", "python", "-c", code, "--workers", "4")

    assert (done.stdout, done.stderr, done.returncode) == ("False False ['--workers', '4']\n", "", 3)


def test_where_the_package_is_not_installed_the_application_works_without_telemetry(tmp_path):
    (tmp_path / "alone.py").write_text(
        "import asyncio, sys\n"
        "from fastapi import FastAPI\n"
        "from starlette.testclient import TestClient\n"
        "sys.modules['wxiai_otel'] = None\n"
        "app = FastAPI()\n"
        "app.get('/x')(lambda: 'x')\n"
        "print(TestClient(app).get('/x').json())\n"
    )

    done = run("python", str(tmp_path / "alone.py"))

    assert done.stdout == "x\n"
    assert "wxiai-otel run: no telemetry, because the package cannot be imported" in done.stderr


class TestMistakes:
    def test_a_command_that_there_is_not(self):
        done = run("no-such-server", "app:app")

        assert (done.stderr, done.returncode) == ("wxiai-otel: no-such-server: not found\n", 127)

    def test_what_would_start_python_without_it_goes_first(self):
        done = run("opentelemetry-instrument", "uvicorn", "app:app")

        assert "opentelemetry-instrument wxiai-otel run -- uvicorn" in done.stderr
        assert done.returncode == 1

    def test_no_command(self):
        assert run().stderr == "wxiai-otel: run: which command?\n"

    def test_a_setting_that_is_not_allowed_is_said_before_anything_is_started(self):
        done = run("python", "-c", "print('started')", WXIAI_OTEL_HTTP_ENGINE="fast")

        assert done.stdout == ""
        assert "setting http_engine: WXIAI_OTEL_HTTP_ENGINE is 'fast'; allowed is one of native, contrib" in done.stderr
        assert done.returncode == 1
