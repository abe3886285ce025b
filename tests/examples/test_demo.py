"""The demo as its user runs it: what it shows, and what it says where it cannot run."""

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.scrape import Scrape, parse
from tests.servers.ports import free_port
from tests.until import until

ROOT = Path(__file__).parents[2]
CONTRACT = {
    name: metric
    for section in yaml.safe_load((ROOT / "tests" / "contract.yaml").read_text()).values()
    for name, metric in section.items()
    if isinstance(metric, dict) and metric.get("origin") == "app"
}
ROLES = {"anonymous", "admin", "user", "pending", "vip", "other"}


def run(*options: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "examples.demo", *options]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=100, check=False
    )


# The demo with less traffic, for which Ctrl-C is not switched off, as it is for whatever nohup starts.
SHORT = """
import signal, sys
from examples.demo import __main__ as demo
signal.signal(signal.SIGINT, signal.default_int_handler)
demo.TRAFFIC_SECONDS = 1
sys.exit(demo.main())
"""


@contextmanager
def started(*options: str):
    """A demo that goes on until it is interrupted, and the lines that it prints."""
    command = [sys.executable, "-u", "-c", SHORT, *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    alarm = threading.Timer(100, process.kill)
    alarm.start()
    try:
        yield process, process.stdout
    finally:
        alarm.cancel()
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def settled(port: int) -> Scrape | None:
    """What can be scraped once no task is with the provider any more."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/monitoring/metrics", timeout=10) as response:
        seen = parse(response.read().decode())
    return seen if ended(seen) == seen.value("ai_tasks_submitted_total") else None


def ended(seen: Scrape) -> float:
    return seen.value("ai_tasks_total", status="success") + seen.value("ai_tasks_total", status="failed")


@pytest.fixture(scope="module")
def shown():
    """What a whole demo has printed, what could then be scraped, and its exit status after Ctrl-C."""
    port = free_port()
    printed = []
    with started("--port", str(port)) as (process, lines):
        for line in lines:
            printed.append(line)
            if "Ctrl-C ends" in line:
                break
        seen = until(lambda: settled(port))
        process.send_signal(signal.SIGINT)
        printed.extend(lines)
        status = process.wait(20)
    with socket.socket() as probe:
        left_running = probe.connect_ex(("127.0.0.1", port)) == 0
    return "".join(printed), seen, status, left_running


@pytest.mark.long
def test_it_serves_until_it_is_interrupted_and_leaves_nothing_running(shown):
    _, _, status, left_running = shown
    assert status == 0
    assert not left_running


def series_of(seen: Scrape, name: str, metric: dict) -> list[dict[str, str]]:
    sample_name = f"{name}_count" if metric["type"] == "histogram" else name
    return [sample.labels for sample in seen.samples if sample.name == sample_name]


@pytest.mark.parametrize("name", CONTRACT)
def test_every_metric_of_the_contract_is_there_with_its_labels_and_values(shown, name):
    metric = CONTRACT[name]
    series = series_of(shown[1], name, metric)
    assert series
    for labels in series:
        assert set(labels) == {*metric["labels"], *metric.get("extra", ())}
        assert all(labels.values())
        assert labels.get("user_role", "other") in ROLES
        for label, allowed in metric.get("values", {}).items():
            assert labels[label] in {*allowed, "other"}


def test_every_metric_of_the_contract_is_in_the_table(shown):
    # A long name is cut where the terminal is narrow.
    assert [name for name in CONTRACT if name[:25] not in shown[0]] == []


def test_ended_tasks_are_as_many_as_submitted_and_callbacks_that_come_twice_count_once(shown):
    seen = shown[1]
    assert ended(seen) == seen.value("ai_tasks_submitted_total") == seen.value("ai_tasks_total", status="pending") > 0
    assert seen.value("ai_task_duration_seconds_count") == ended(seen)


@pytest.mark.long
def test_it_ends_by_itself_after_the_seconds_given():
    done = run("--seconds", "1", "--port", str(free_port()))
    assert done.returncode == 0, done.stderr
    assert "What Prometheus sees" in done.stdout


class TestWhereItCannotRun:
    def test_a_port_in_use_is_one_clear_line(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            done = run("--seconds", "1", "--port", port)
        assert done.returncode != 0
        assert done.stderr == f"demo: port {port}: Address already in use; choose another with --port\n"

    def test_no_redis_is_one_clear_line(self):
        done = run("--seconds", "1", "--port", str(free_port()), "--redis", f"redis://127.0.0.1:{free_port()}/0")
        assert done.returncode != 0
        assert done.stderr.startswith("demo: no Redis answers")
        assert done.stderr.count("\n") == 1

    def test_no_redis_server_installed_is_one_clear_line(self):
        done = run("--seconds", "1", "--port", str(free_port()), PATH="/nowhere")
        assert done.returncode != 0
        assert done.stderr.startswith("demo: redis-server is not installed")
        assert done.stderr.count("\n") == 1

    def test_a_folder_that_cannot_be_written_is_one_clear_line(self):
        done = run("--seconds", "1", "--port", str(free_port()), "--data", "/proc/demo")
        assert done.returncode != 0
        assert done.stderr.startswith("demo: cannot write in /proc/demo")
        assert done.stderr.count("\n") == 1
