"""`wxiai-otel doctor`: what it sees, what it says is wrong, and its exit status."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import prometheus_client
import pytest
from fastapi import FastAPI

from tests.doctor.conftest import DOCTOR, ROOT
from tests.otlp import http_receiver
from tests.servers.ports import free_port
from tests.servers.redis import run_redis
from tests.servers.uvicorn import uvicorn


def package(folder: Path, name: str, version: str, *metadata: str, code: str | None = None) -> None:
    """Something that looks as installed."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata]
    (info / "METADATA").write_text("\n".join(lines))
    if code is not None:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(code)


class TestThisEnvironment:
    def test_where_nothing_is_wrong_it_says_what_is_instrumented(self, doctor):
        seen = doctor()

        assert seen.status == 0
        assert seen.said["healthy"] is True
        for piece in ("http", "sql", "redis", "business", "log_correlation"):
            assert seen.of(piece, "instrumentation") == ("ok", "instrumented")
        assert seen.of("otlp")[0] == "note"

    def test_what_is_switched_off_says_so(self, doctor):
        assert doctor(WXIAI_OTEL_SQL="false").of("sql", "instrumentation") == (
            "note",
            "switched off by the setting sql",
        )

    def test_so_does_telemetry_that_is_disabled(self, doctor):
        seen = doctor(OTEL_SDK_DISABLED="true")

        assert seen.of("all")[0] == "warning"
        assert seen.status == 0

    def test_a_library_that_cannot_be_instrumented_is_a_failure_with_its_reason(self, elsewhere, tmp_path):
        package(tmp_path, "sqlalchemy", "1.4.0", code="__version__ = '1.4.0'")

        seen = elsewhere()

        assert seen.of("sql") == ("failed", "cannot be instrumented with sqlalchemy 1.4.0")
        assert "ImportError" in seen.of("instrument.sql")[1]
        assert seen.status == 1

    def test_a_version_that_is_not_supported_is_one_too(self, doctor_beside, tmp_path):
        package(
            tmp_path,
            "wxiai_otel",
            "0.1.0",
            "Requires-Dist: fastapi>=999",
            "Requires-Dist: no-such-package>=2",
            "Requires-Dist: redis>=999; extra == 'redis'",
            "Requires-Dist: no-such-extra; extra == 'sql'",
        )

        seen = doctor_beside()

        assert seen.of("fastapi")[0] == "failed"
        assert "needed is >=999" in seen.of("redis", "environment")[1]
        assert seen.of("no-such-package") == ("failed", "is not installed; needed is >=2")
        assert not seen.has("no-such-extra")

    def test_what_only_a_command_needs_is_no_failure_of_the_application(self, doctor_beside, tmp_path):
        package(tmp_path, "wxiai_otel", "0.1.0", "Requires-Dist: rich>=999; extra == 'cli'")

        seen = doctor_beside()

        assert seen.of("rich")[0] == "note"
        assert "wxiai-otel[cli] needs >=999" in seen.of("rich")[1]
        assert seen.status == 0

    def test_what_sends_statements_past_sqlalchemy_is_told_of(self, doctor_beside, tmp_path):
        package(tmp_path, "databases", "0.9.0")

        seen = doctor_beside()

        assert seen.of("databases")[0] == "note"
        assert "they are not seen" in seen.of("databases")[1]
        assert not seen.has("asyncpg"), "a driver is SQLAlchemy's where that is installed"

    def test_other_telemetry_is_told_of(self, doctor_beside, tmp_path):
        package(tmp_path, "starlette_exporter", "0.23.0")

        assert doctor_beside().of("starlette-exporter")[1].startswith("0.23.0: counts requests too")


class TestTheApplication:
    def test_one_that_sets_itself_up(self, doctor, module):
        assert doctor("--app", module("wxiai_otel.setup_telemetry(app)")).of("setup_telemetry")[0] == "ok"

    def test_one_that_does_not_is_told_how(self, doctor, module):
        state, message = doctor("--app", module()).of("setup_telemetry")

        assert state == "note"
        assert "wxiai-otel run" in message

    def test_what_one_prints_is_no_part_of_the_report(self, doctor, module):
        assert doctor("--app", module("print('Creating tables')")).of("shop")[0] == "ok"

    def test_one_that_has_started_already(self, doctor, module):
        seen = doctor("--app", module("app.middleware_stack = app.build_middleware_stack()"))

        assert seen.of("setup_telemetry")[0] == "failed"
        assert "has started already" in seen.of("setup_telemetry")[1]
        assert seen.status == 1

    def test_a_provider_that_another_library_has_set_before(self, doctor, module):
        target = module(
            "from opentelemetry import trace",
            "from opentelemetry.sdk.trace import TracerProvider",
            "trace.set_tracer_provider(TracerProvider())",
            "wxiai_otel.setup_telemetry(app)",
        )

        state, message = doctor("--app", target).of("tracer provider")

        assert state == "warning"
        assert "it is joined" in message

    def test_ours_is_none_of_anothers(self, doctor, module):
        assert not doctor("--app", module("wxiai_otel.setup_telemetry(app)")).has("tracer provider")

    def test_one_within_another_and_one_that_a_function_makes(self, doctor, module):
        module(
            "class Wrapper:",
            "    app = app",
            "wrapped = Wrapper()",
            "def create():",
            "    return FastAPI(title='made')",
        )

        assert doctor("--app", "shop:wrapped").of("shop")[0] == "ok"
        assert doctor("--app", "shop:create").of("made")[0] == "ok"

    @pytest.mark.parametrize(
        ("target", "message"),
        [("no_such_module:app", "ModuleNotFoundError"), ("shop:nothing", "AttributeError"), ("shop:text", "but str")],
    )
    def test_one_that_cannot_be_had(self, doctor, module, target, message):
        module("text = 'x'")

        seen = doctor("--app", target)

        assert message in seen.of(target)[1]
        assert seen.status == 1

    def test_what_has_failed_beneath_is_said_too(self, doctor, module):
        module(
            "try:", "    import no_such_handler", "except ImportError as error:", "    raise ValueError('x') from error"
        )

        message = doctor("--app", "shop:app").of("shop:app")[1]

        assert "ValueError: x, from ModuleNotFoundError: No module named 'no_such_handler'" in message

    def test_the_routes_of_included_routers_are_routes(self, doctor, module):
        bare = doctor("--app", module()).of("shop")[1]
        sys.modules.pop("shop")
        target = module(
            "from fastapi import APIRouter",
            "router = APIRouter()",
            "for path in 'abc':",
            "    router.get('/' + path)(lambda: None)",
            "app.include_router(router, prefix='/api')",
        )

        count = int(bare.split()[-2])
        assert doctor("--app", target).of("shop")[1] == f"FastAPI application with {count + 3} routes"

    def test_nothing_leaves_it_while_it_is_looked_at(self, doctor, module):
        with http_receiver() as received:
            doctor("--app", module("wxiai_otel.setup_telemetry(app)"), OTEL_EXPORTER_OTLP_ENDPOINT=received.url)

            # But for the requests by which the doctor asks whether it is let in.
        assert received.spans == []
        assert not any(request.resource_metrics for request in received.metrics)


class TestBesideOtherTelemetry:
    @pytest.fixture(autouse=True)
    def registry(self):
        before = set(prometheus_client.REGISTRY._collector_to_names)
        yield
        for collector in set(prometheus_client.REGISTRY._collector_to_names) - before:
            prometheus_client.REGISTRY.unregister(collector)

    def test_metrics_of_the_applications_own_and_those_that_have_our_names(self, doctor, module):
        target = module(
            "from prometheus_client import Counter, Gauge",
            "Counter('orders', 'Orders.')",
            "Gauge('depth', 'Depth.')",
            "Counter('http_requests', 'Counted by a middleware.')",
            "wxiai_otel.setup_telemetry(app)",
        )

        seen = doctor("--app", target)

        assert seen.of("prometheus_client") == ("ok", "2 metrics of the application's are at our endpoint too")
        state, message = seen.of("prometheus_client names")
        assert state == "warning"
        assert "ours are shown at our endpoint: http_requests;" in message
        assert seen.status == 0

    def test_those_that_the_setting_leaves_out(self, doctor, module):
        target = module("from prometheus_client import Counter", "Counter('orders', 'Orders.')")

        seen = doctor("--app", target, WXIAI_OTEL_PROMETHEUS_CLIENT="false")

        assert seen.of("prometheus_client")[0] == "note"
        assert "not shown" in seen.of("prometheus_client")[1]

    def test_where_there_are_none_nothing_is_said(self, doctor, module):
        assert not doctor("--app", module()).has("prometheus_client")

    def test_a_provider_in_a_wrapper_is_joined(self, doctor, module):
        target = module(
            "from opentelemetry import trace",
            "from opentelemetry.sdk.trace import TracerProvider",
            "class Wrapper(trace.TracerProvider):",
            "    provider = TracerProvider()",
            "    def get_tracer(self, *arguments, **further):",
            "        return self.provider.get_tracer(*arguments, **further)",
            "trace.set_tracer_provider(Wrapper())",
            "wxiai_otel.setup_telemetry(app)",
        )

        state, message = doctor("--app", target).of("tracer provider")

        assert state == "warning"
        assert "shop.Wrapper was set before: it is joined" in message

    @pytest.mark.skipif(not hasattr(FastAPI(), "_telemetry"), reason="this FastAPI has no telemetry")
    def test_fastapis_own(self, doctor, module):
        target = module(
            "from opentelemetry.sdk.trace import TracerProvider",
            "app = FastAPI(telemetry={'tracer_provider': TracerProvider()})",
        )

        state, message = doctor("--app", target).of("FastAPI's telemetry")

        assert state == "note"
        assert "switched off" in message


class TestEndpoints:
    def test_a_receiver_that_takes_connections_and_one_that_does_not(self, doctor):
        with http_receiver() as received:
            reached = doctor(OTEL_EXPORTER_OTLP_ENDPOINT=received.url)
        refused = doctor(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")

        assert reached.of("otlp traces")[0] == reached.of("otlp metrics")[0] == "ok"
        assert refused.of("otlp traces")[0] == "failed"
        assert "Connection refused" in refused.of("otlp traces")[1]
        assert refused.status == 1

    def test_the_user_of_a_receiver_is_not_told(self, doctor):
        seen = doctor(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://me:hidden@127.0.0.1:{free_port()}")

        assert "http://****@127.0.0.1" in seen.of("otlp traces")[1]
        assert "hidden" not in json.dumps(seen.said)

    def test_the_redis_that_workers_share(self, doctor):
        with run_redis() as server:
            assert doctor(WXIAI_OTEL_STATE_REDIS=server.url).of("state_redis") == ("ok", "answers")

    def test_a_running_application_and_its_clock(self, doctor):
        with uvicorn("tests.integration.served:app") as server:
            seen = doctor("--url", server.url)

        assert seen.of(f"{server.url}/monitoring/metrics")[0] == "ok"
        assert seen.of(f"{server.url}/monitoring/health")[0] == "ok"
        assert seen.of(f"clock of 127.0.0.1:{server.port}")[0] == "ok"
        assert seen.status == 0

    def test_one_that_is_not_set_up(self, doctor):
        with uvicorn("tests.integration.served:app", env={"SETUP": "none"}) as server:
            seen = doctor("--url", server.url)

        assert seen.of(f"{server.url}/monitoring/metrics") == ("failed", "404: is no endpoint")

    def test_without_a_receiver_no_probe_is_sent(self, doctor):
        seen = doctor("--prometheus", f"http://127.0.0.1:{free_port()}")

        assert seen.of("probe")[0] == "failed"
        assert "set OTEL_EXPORTER_OTLP_ENDPOINT" in seen.of("probe")[1]

    def test_a_probe_that_does_not_arrive_is_a_failure_that_says_where_to_look(self, doctor):
        with http_receiver() as received, uvicorn("tests.doctor.empty:app") as nothing:
            seen = doctor(
                "--prometheus",
                nothing.url,
                "--jaeger",
                nothing.url,
                "--timeout",
                "0.5",
                OTEL_EXPORTER_OTLP_ENDPOINT=received.url,
            )
            assert [span.name for span in received.spans] == ["wxiai-otel doctor"]
            assert [point.as_int for point in received.points("wxiai_otel.faults")] == [0]

        assert seen.of("probe metric") == seen.of("probe trace") == ("ok", "was taken by the OTLP receiver")
        assert "Prometheus' targets" in seen.of("prometheus")[1]
        assert "Collector's log" in seen.of("jaeger")[1]
        assert seen.status == 1


class TestForPeople:
    def run(self, **options):
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "WXIAI_OTEL_PREFFIX": "x"}
        return subprocess.run(DOCTOR, env=env, timeout=100, check=False, **options)

    def test_in_a_pipe_it_is_plain(self):
        done = self.run(capture_output=True, text=True)

        assert done.stderr == ""
        assert "\x1b" not in done.stdout
        assert done.stdout.endswith("verdict: healthy (1 warning)\n")
        assert "  warning  WXIAI_OTEL_PREFFIX" in done.stdout

    def test_on_a_terminal_it_is_coloured(self):
        ours, theirs = pty.openpty()
        self.run(stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        try:
            while read := os.read(ours, 65536):
                shown += read
        except OSError:  # that is how a terminal says its end
            pass
        os.close(ours)

        assert b"\x1b[33mwarning\x1b[0m" in shown
