"""docker-compose.yml as a user starts it, by a real daemon; images.py says what stands in for the images."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from stack.binaries import find
from stack.programs import ROOT
from tests.compose.daemon import run
from tests.compose.images import build_ours, ours
from tests.compose.project import GET, PATIENT, UP, Project
from tests.servers.shared import locked, run_folder, shared
from tests.until import until
from wxiai_otel.cli import main

pytestmark = [pytest.mark.built, pytest.mark.timeout(600)]

ENDPOINT = "/api/v1/credits/balance"
FAILING = "/api/v1/broken"
WORKERS = 4


def get(port: int, path: str, token: str | None = None) -> int:
    """The status of an answer, on a connection of its own, so that any worker may take it."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return run_folder(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def running(folder) -> Iterator[Project]:
    """The project, of which there is one for all test processes."""
    with shared(folder, "tests.compose.project:running", 500) as arguments:
        if "missing" in arguments:
            pytest.skip(arguments["missing"])
        yield Project(**arguments)


@pytest.fixture
def project(running, folder) -> Iterator[Project]:
    """The project while other tests leave it up."""
    with locked(folder / "compose", with_others=True):
        yield running


@pytest.fixture
def own_project(running, folder) -> Iterator[Project]:
    """The project while no other test uses it."""
    with locked(folder / "compose"):
        yield running


def test_all_are_healthy_and_setup_has_ended(project):
    states = {name.removeprefix("wxiai-otel-"): one["State"] for name, one in project.containers().items()}
    health = {name: state.get("Health", {}).get("Status", state["Status"]) for name, state in states.items()}
    assert health.pop("setup-1") == "exited"
    assert states["setup-1"]["ExitCode"] == 0
    # It cannot be asked by Docker.
    assert health.pop("collector-1") == "running"
    assert set(health.values()) == {"healthy"}, health
    assert {"application-1", "application-2", "grafana-1", "bridge-1", "postgresql-1"} <= set(health)


def test_nothing_but_grafana_and_the_application_is_published_and_only_on_loopback(project):
    bound = {
        (one["Config"]["Labels"]["com.docker.compose.service"], binding["HostIp"], int(binding["HostPort"]))
        for one in project.containers().values()
        for bindings in one["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }
    assert bound == {
        *(("application", "127.0.0.1", port) for port in project.ports),
        ("grafana", "127.0.0.1", project.grafana),
    }


def test_containers_run_as_they_are_meant_to(project):
    for name, one in project.containers().items():
        if "-sink-" in name or "-setup-" in name:
            continue
        status = project.docker("exec", name, "cat", "/proc/1/status") if "collector" not in name else None
        if status is not None:
            lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            assert lines["Uid"].split()[0] != "0", name
            assert int(lines["CapEff"], 16) == int(lines["CapBnd"], 16) == 0, name
            assert lines["NoNewPrivs"] == "1", name
            with pytest.raises(AssertionError, match="Read-only file system"):
                project.docker("exec", name, "touch", "/etc/written")
        assert one["HostConfig"]["ReadonlyRootfs"], name
        assert one["HostConfig"]["Memory"] > 0, name
        assert one["Config"]["User"].split(":")[0] not in {"", "0"}, name


def test_requests_are_counted_exactly_over_all_workers(project):
    sent = 0
    selector = f'http_requests_total{{job="wxiai",endpoint="{ENDPOINT}",status_code="200"}}'

    def instances():
        return project.number(f"count(count by (instance) ({selector}))")

    def stored(number):
        return project.number(f"sum({selector})") == number

    for _ in range(10):
        for port in project.ports:
            for number in range(10):
                assert get(port, ENDPOINT, f"token-{number + 1}") == 200
                sent += 1
        until(partial(stored, sent), 60)
        if instances() == WORKERS:
            break
    assert project.number(f"sum({selector})") == sent
    assert instances() == WORKERS
    # Each asks once for the balance, and nothing else does.
    queries = 'db_query_duration_seconds_count{job="wxiai",table="credit_entries",operation="SELECT"}'
    assert project.number(f"sum({queries})") == sent
    assert project.number('min(health_check_status{job="wxiai"})') == 1
    assert {found["value"][1] for found in project.query("up")} == {"1"}


def traces(project) -> list[str]:
    """The ids of the traces of requests that failed."""
    found = json.loads(project.get("http://jaeger:16686/api/traces?service=wxiai&limit=100"))["data"]
    return [span["traceID"] for trace in found for span in trace["spans"] if span["operationName"] == f"GET {FAILING}"]


def test_a_fault_is_a_trace_in_jaeger_and_an_alert_at_the_bridge(project):
    for _ in range(30):
        assert get(project.ports[0], FAILING) == 500
    until(partial(traces, project), 60)

    def told():
        return "HighErrorRateFast" in project("logs", "--no-log-prefix", "sink")

    try:
        until(told, 120)
    except AssertionError:
        pytest.fail(project("logs", "--tail=40", "bridge", "alertmanager", "prometheus"))


def test_data_are_kept_over_down_and_up(own_project):
    project = own_project
    # Those that have ended are still in Prometheus.
    query = f'sum(max_over_time(http_requests_total{{endpoint="{ENDPOINT}",status_code="401"}}[1h]))'
    row = ("exec", "--no-TTY", "postgresql", "psql", "--host=/var/run/postgresql", "-U", "wxiai", "-Atc")
    assert get(project.ports[0], ENDPOINT) == 401
    assert get(project.ports[0], FAILING) == 500
    until(partial(project.number, query), 60, equals=1)
    trace = until(partial(traces, project), 60)[0]
    rows = int(project(*row, "SELECT count(*) FROM users").strip())
    password = project("exec", "--no-TTY", "grafana", "cat", "/run/secrets/grafana_admin_password")
    assert rows == 60
    project("down", "--timeout=20")
    assert project("ps", "--all", "--quiet") == ""
    project(*UP)
    assert project.number(query) == 1
    assert json.loads(project.get(f"http://jaeger:16686/api/traces/{trace}"))["data"][0]["traceID"] == trace
    assert int(project(*row, "SELECT count(*) FROM users").strip()) == rows
    assert project("exec", "--no-TTY", "grafana", "cat", "/run/secrets/grafana_admin_password") == password


def test_the_file_is_clean_and_a_bad_value_stops_all_and_is_named(project):
    assert "warn" not in project("config", "--quiet")
    with pytest.raises(AssertionError, match="PROMETHEUS_RETENTION is 'forever'; allowed is a duration"):
        project("run", "--rm", "--no-TTY", "setup", environ={"PROMETHEUS_RETENTION": "forever"})
    with pytest.raises(AssertionError, match="invalid hostPort: many"):
        project("config", "--quiet", environ={"GRAFANA_PORT": "many"})


def test_what_init_writes_is_built_and_starts_without_what_is_left_out(project, tmp_path):
    options = (
        "--traces-to=tempo:4317",
        "--mail-server=smtp:587",
        "--mail-from=a@example.com",
        "--mail-to=b@example.com",
    )
    assert main(["init", str(tmp_path), "--without=grafana", *options]) == 0
    checked = {name: {"healthcheck": PATIENT} for name in ("alertmanager", "bridge", "prometheus")}
    (tmp_path / "docker-compose.override.yml").write_text(yaml.safe_dump({"services": checked}))
    wheels = ("build", "--quiet", "--wheel", "--build-constraints=requirements/build.txt", "--require-hashes")
    run(
        ROOT / ".venv-uv" / "bin" / "uv",
        *wheels,
        f"--out-dir={tmp_path}/compose/wheels",
        ROOT,
        env={**os.environ},
        cwd=ROOT,
    )
    others = project.docker("images", "--quiet", ours()).strip()
    build_ours(project.docker, tmp_path)

    def compose(*arguments: str) -> str:
        whole = (find("compose"), f"--project-directory={tmp_path}", "--project-name=init", *arguments)
        return run(*whole, env={**project.docker.environ, "NETWORK": "init"})

    try:
        compose("up", "--detach", "--wait", "--wait-timeout=300", "--no-build")
        running = compose("ps", "--services", "--status=running").split()
        page = compose(
            "exec", "--no-TTY", "bridge", "python", "-c", GET, "http://127.0.0.1:9095/runbooks/ApplicationDown"
        )
        assert set(running) == {"collector", "prometheus", "alertmanager", "bridge"}
        assert "应用已停止" in page
    finally:
        compose("down", "--volumes", "--timeout=5")
        project.docker("tag", others, ours())
