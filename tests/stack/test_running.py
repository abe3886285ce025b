"""The stack starts whole or not at all, and nothing of it is left when it has ended, however it did."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stack.programs import ROOT
from stack.running import down, status, up
from stack.services import SERVICES
from stack.state import Process, State, holder, holding, read_state, write_state
from stack.supervisor import choose_ports
from tests.servers.ports import free_port
from tests.until import until

USUAL = {port for service in SERVICES for port in service.ports.values()}


def test_usual_ports_are_taken_where_they_are_free():
    number = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", number))
        taken.listen()
        service = SERVICES[0]
        service = type(service)(
            service.name, service.binary, {"a": number, "b": number}, "a", ("a", "/"), lambda *_: []
        )
        chosen = choose_ports([service], usual=True)
    assert len({number, *chosen.values()}) == 3

    # Now that it is free again, the first has it.
    assert choose_ports([service], usual=True)["a"] == number


def test_ports_are_all_different():
    chosen = choose_ports(SERVICES, usual=False)
    assert len(set(chosen.values())) == len(chosen) == len(USUAL)
    assert not set(chosen.values()) & USUAL
    # No client is given one of them between its choice and its use.
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(chosen.values()) < lowest


def test_the_lock_is_one_supervisors(tmp_path):
    assert holder(tmp_path) is None
    with holding(tmp_path) as held:
        assert held
        assert holder(tmp_path) == os.getpid()
        with holding(tmp_path) as other:
            assert not other
    assert holder(tmp_path) is None


def test_a_process_is_told_from_another_with_its_id():
    own = Process.of(os.getpid())
    assert own.alive()
    assert not Process(own.pid, "1").alive()
    assert not Process.of(2**22 + 1).alive()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ports": {}}', '{"ports": {}, "processes": {"a": 1}}'])
def test_a_state_that_cannot_be_read_is_an_empty_one(tmp_path, text):
    (tmp_path / "state.json").write_text(text)
    assert read_state(tmp_path) == State()

    state = State({"a": 1}, {"b": Process(2, "3")})
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_nothing_runs_in_a_folder_that_is_not_there(tmp_path):
    assert status(tmp_path / "none") == []
    assert not down(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def command(data, *words, **options):
    arguments = [sys.executable, "-m", "stack", "--data", str(data), *words]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False, **options)


def processes(data):
    return list(read_state(data).processes.values())


def living(started):
    return [process.pid for process in started if process.alive()]


@pytest.fixture
def data(tmp_path):
    yield tmp_path / "data"
    down(tmp_path / "data")


@pytest.mark.built
def test_up_status_logs_and_down_of_the_command(data):
    started = command(data, "up", "--free-ports")
    assert started.returncode == 0, started.stderr
    table, after = started.stdout.split("\n\n")
    lines = [re.split(r"\s+", line) for line in table.splitlines()]
    assert [(name, state) for name, _, state in lines] == [
        (name, "healthy") for name in ("jaeger", "collector", "mailpit", "bridge", "alertmanager", "prometheus")
    ]
    for _, url, _ in lines:
        match = re.fullmatch(r"http://(127\.0\.0\.1):(\d+)", url)
        socket.create_connection((match[1], int(match[2])), timeout=5).close()
    # What one does next, with the folder that was given.
    assert [line.partition(":")[2].strip() for line in after.splitlines()] == [
        f"STACK_DATA={data} scripts/demo --stack",
        f"STACK_DATA={data} scripts/dashboards, then http://127.0.0.1:3001",
    ]
    running = processes(data)

    assert command(data, "status").stdout == f"{table}\n"
    assert command(data, "up").stdout == started.stdout
    assert "Everything is ready" in command(data, "logs", "collector").stdout
    assert "==> " in command(data, "logs").stdout

    assert command(data, "down").stdout == "ended\n"
    assert not any(process.alive() for process in running)
    assert command(data, "down").stdout == "not running\n"
    assert command(data, "status").returncode == 1


@pytest.mark.built
def test_the_programs_end_when_the_supervisor_is_killed(data):
    up(data, usual_ports=False)
    running = processes(data)
    assert len(running) == len(SERVICES)
    os.kill(holder(data), signal.SIGKILL)

    until(lambda: living(running), equals=[])
    assert status(data) == []
    up(data, usual_ports=False)
    assert {one.state for one in status(data)} == {"healthy"}


@pytest.mark.built
def test_a_program_that_ends_by_itself_leaves_the_others_and_is_told(data):
    up(data, usual_ports=False)
    running = read_state(data).processes
    os.kill(running["collector"].pid, signal.SIGKILL)
    until(lambda: living([running["collector"]]), equals=[])

    assert {one.name: one.state for one in status(data)} == {
        "jaeger": "healthy",
        "collector": "ended",
        "mailpit": "healthy",
        "bridge": "healthy",
        "alertmanager": "healthy",
        "prometheus": "healthy",
    }
    assert down(data)
    assert living(running.values()) == []


@pytest.mark.built
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_while_it_starts_leaves_nothing(data, number, tmp_path, monkeypatch):
    # Never healthy: it does not listen where it is asked.
    idle = tmp_path / "idle"
    idle.write_text("#!/bin/sh\nexec sleep 100\n")
    idle.chmod(0o755)
    monkeypatch.setenv("STACK_ALERTMANAGER", str(idle))
    arguments = [sys.executable, "-m", "stack", "--data", str(data), "up", "--free-ports"]
    with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: len(processes(data)), equals=len(SERVICES))
        running = processes(data)
        process.send_signal(number)
        process.wait(30)
    assert living(running) == []
    assert holder(data) is None


@pytest.mark.built
def test_a_program_that_cannot_start_is_one_line_and_leaves_nothing(data, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'level=ERROR no such storage'\nexit 1\n")
    broken.chmod(0o755)
    done = command(data, "up", "--free-ports", env={**os.environ, "STACK_PROMETHEUS": str(broken)})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    log = data / "logs" / "prometheus.log"
    assert line == f"stack: prometheus has ended: level=ERROR no such storage; see {log}"
    assert holder(data) is None


@pytest.mark.built
def test_all_data_are_in_the_folder(data):
    before = set(ROOT.iterdir())
    up(data, usual_ports=False)
    names = {path.name for path in data.iterdir()}
    assert names >= {"jaeger", "collector", "alertmanager", "prometheus", "prometheus.yml", "logs", "state.json"}
    assert names >= {"alertmanager.yml", "alerts", "bridge.toml", "mailpit.db", "secrets"}
    assert (data / "secrets" / "bridge_token").stat().st_mode & 0o077 == 0
    assert set(ROOT.iterdir()) - before <= {ROOT / ".pytest_cache"}
    for process in processes(data):
        assert Path(f"/proc/{process.pid}/cwd").readlink() == data


@pytest.mark.built
def test_a_folder_that_cannot_be_used_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = command(tmp_path / "file" / "data", "up", "--free-ports")
    assert done.returncode == 1
    assert done.stderr == f"stack: {tmp_path / 'file' / 'data'} cannot be used for data: Not a directory\n"
