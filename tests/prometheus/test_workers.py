"""Workers of one server answer for each other, whichever is asked, and whatever becomes of them."""

import errno
import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from fastapi import FastAPI
from prometheus_client import Metric

from tests.asgi import get
from tests.until import until
from wxiai_otel import _guard, setup_telemetry
from wxiai_otel.prometheus import _folder, _workers
from wxiai_otel.prometheus._folder import shared_folder
from wxiai_otel.prometheus._workers import Workers


class Counting:
    """A worker's metrics: one counter and one gauge."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self) -> list[Metric]:
        counter = Metric("jobs", "help", "counter")
        counter.add_sample("jobs_total", {}, self.value)
        gauge = Metric("active_users_current", "help", "gauge")
        gauge.add_sample("active_users_current", {}, self.value)
        return [counter, gauge]


def jobs(workers: Workers) -> float:
    return next(s.value for f in workers.merged() for s in f.samples if s.name == "jobs_total")


OTHER = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from tests.prometheus.test_workers import Counting
    from wxiai_otel.prometheus import _workers
    from wxiai_otel.prometheus._workers import Workers

    _workers._KEEP_SECONDS = float(os.environ.get("WORKERS_KEEP_SECONDS", _workers._KEEP_SECONDS))

    workers = Workers(Path(sys.argv[1]), sys.argv[2], Counting(float(sys.argv[3])))
    print("ready", flush=True)
    sys.stdin.readline()
    workers.leave(5)
    """
)


@pytest.fixture
def other(tmp_path):
    """Starts further workers as processes of their own."""
    started = []

    def start(instance: str, value: float, folder=tmp_path) -> subprocess.Popen:
        command = [sys.executable, "-c", OTHER, str(folder), instance, str(value)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def here(tmp_path):
    workers = Workers(tmp_path, "here", Counting(1))
    yield workers
    workers.leave(5)


def test_whoever_is_asked_answers_for_all(here, other):
    other("a", 10)
    other("b", 100)
    assert [jobs(here) for _ in range(3)] == [111, 111, 111]


def test_what_is_counted_meanwhile_is_in_the_next_answer(here, other):
    other("a", 10)
    assert jobs(here) == 11
    here._collect.value = 5
    assert jobs(here) == 15


def test_a_worker_that_has_ended_still_counts_and_its_gauges_do_not(here, other):
    process = other("a", 10)
    process.communicate("\n")
    assert jobs(here) == 11
    gauges = {s.name: s.value for f in here.merged() for s in f.samples}
    assert gauges["active_users_current"] == 1


def test_many_generations_of_workers_add_up(here, other):
    for generation in range(5):
        other(f"g{generation}", 10).communicate("\n")
    assert jobs(here) == 51


def test_a_worker_that_was_killed_counts_with_what_it_had_told_last(here, other):
    process = other("a", 10)
    assert jobs(here) == 11
    process.kill()
    process.wait()
    assert jobs(here) == 11
    assert jobs(here) == 11


def test_a_worker_that_hangs_delays_the_answer_only_a_little_and_nothing_is_lost(here, other, monkeypatch):
    monkeypatch.setattr(_workers, "_ANSWER_SECONDS", 0.2)
    process = other("a", 10)
    assert jobs(here) == 11
    process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    assert jobs(here) == 11
    assert time.monotonic() - started < 5
    process.send_signal(signal.SIGCONT)


def test_a_process_of_the_same_number_that_was_killed_earlier_is_not_forgotten(tmp_path, other):
    first = Workers(tmp_path, "first", Counting(10))
    first._server.close()  # as if it was killed, with its files left
    second = Workers(tmp_path, "second", Counting(1))
    assert jobs(second) == 11
    second.leave(5)


def test_workers_that_the_environment_has_given_one_instance_are_each_counted(here, other):
    other("same", 10).communicate("\n")
    other("same", 100).communicate("\n")
    assert jobs(here) == 111


def test_a_worker_that_ends_while_another_is_asking_for_long_does_not_wait_for_it_and_still_counts(here, other):
    process = other("a", 10)
    with here._locked():
        started = time.monotonic()
        process.communicate("\n", timeout=20)
        assert time.monotonic() - started < 10
    assert jobs(here) == 11
    assert jobs(here) == 11


def test_answers_at_the_same_time_are_each_whole(here, other):
    process = other("a", 10)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(jobs(here))) for _ in range(10)]
    for thread in threads:
        thread.start()
    process.communicate("\n")
    for thread in threads:
        thread.join()
    assert answers == [11] * 10


def test_whoever_asks_and_goes_away_does_no_harm(here, other):
    for path in here._folder.glob("*.sock"):
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
    other("a", 10)
    assert jobs(here) == 11


def test_a_forked_child_does_not_keep_its_parents_socket_open(tmp_path):
    workers = Workers(tmp_path, "here", Counting(1))
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, json.dumps(workers._server.fileno()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reads, 20) == b"-1"
    os.close(reads)
    os.close(writes)
    workers.leave(5)


class TestTheFolder:
    def test_a_process_that_is_no_worker_has_none(self, monkeypatch):
        monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
        assert shared_folder("") is None

    def test_none_is_none_in_a_worker_too(self, monkeypatch):
        monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/23.0.0")
        assert shared_folder("none") is None

    def test_a_worker_of_gunicorn_has_one_of_its_parents_for_this_user_only(self, monkeypatch, tmp_path):
        monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/23.0.0")
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        folder = shared_folder("")
        assert folder.parent == tmp_path
        assert f"-{os.getppid()}-" in folder.name
        assert folder.stat().st_mode & 0o777 == 0o700

    def test_folders_of_servers_that_are_no_more_are_removed_and_others_are_not(self, monkeypatch, tmp_path):
        monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/23.0.0")
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        own_start = _folder._started(os.getpid())
        gone = tmp_path / f"wxiai-otel-{os.getuid()}-{os.getpid()}-{own_start - 1}"
        living = tmp_path / f"wxiai-otel-{os.getuid()}-{os.getpid()}-{own_start}"
        foreign = tmp_path / "wxiai-otel-notes"
        for folder in (gone, living, foreign):
            folder.mkdir()
        shared_folder("")
        assert not gone.exists()
        assert living.exists()
        assert foreign.exists()

    def test_it_is_the_same_one_while_the_disk_is_full(self, monkeypatch, tmp_path):
        monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/23")
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        before = shared_folder("")
        # As `tempfile` finds out, in a process of its own, that it cannot write there.
        monkeypatch.setattr(_folder.tempfile, "gettempdir", lambda: "/var/tmp")

        assert shared_folder("") == before
        assert before.parent == tmp_path

    def test_it_can_be_used_whatever_the_umask_is(self, tmp_path):
        before = os.umask(0o177)
        try:
            folder = shared_folder(str(tmp_path / "workers"))
        finally:
            os.umask(before)

        assert folder.stat().st_mode & 0o777 == 0o700

    @pytest.mark.faulty
    async def test_a_worker_without_one_answers_nothing_rather_than_its_own_share(self, caplog, monkeypatch):
        # Other tests may have had a fault there within the minute.
        monkeypatch.setattr(_guard, "_logged_at", {})
        app = FastAPI()
        setup_telemetry(app, workers_folder="/proc/workers")

        assert (await get(app, "/monitoring/metrics")).status == 503
        assert "set WXIAI_OTEL_WORKERS_FOLDER" in caplog.text

    def test_one_that_cannot_be_made_is_an_error(self):
        with pytest.raises(OSError, match="/proc/workers"):
            shared_folder("/proc/workers")


class TestWhereTheFolderIsNotAsItWas:
    """Cleaners of temporary folders remove it, disks are full, files are cut off."""

    pytestmark = pytest.mark.faulty

    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch):
        monkeypatch.setattr(_workers, "_KEEP_SECONDS", 0.1)

    @staticmethod
    def answers(workers):
        """What is answered once it is answered again: until then nothing, rather than too little."""
        seen = []

        def ask():
            try:
                seen.append(jobs(workers))
            except OSError:
                return False
            return True

        assert until(ask, timeout=10)
        return seen

    def test_a_folder_that_is_removed_comes_back_with_all_that_was_counted(self, tmp_path, other, monkeypatch):
        monkeypatch.setenv("WORKERS_KEEP_SECONDS", "0.1")
        folder = tmp_path / "folder"
        folder.mkdir()
        workers = Workers(folder, "here", Counting(1))
        other("ended", 10, folder).communicate("\n")
        other("b", 100, folder)
        assert jobs(workers) == 111
        shutil.rmtree(folder)

        with pytest.raises(OSError, match="removed"):
            jobs(workers)
        assert self.answers(workers) == [111]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        workers.leave(5)

    def test_a_disk_that_is_full_takes_nothing_from_the_answer(self, here, other, monkeypatch):
        killed = other("a", 10)
        other("b", 100)
        assert jobs(here) == 111
        monkeypatch.setattr(_workers.json, "dumps", full)
        killed.kill()
        killed.wait()
        here._collect.value = 2

        assert [jobs(here), jobs(here)] == [112, 112]
        monkeypatch.undo()
        assert [jobs(here), jobs(here)] == [112, 112]

    def test_a_worker_that_finds_no_room_for_its_socket_answers_not_alone_but_once_there_is(
        self, other, tmp_path, monkeypatch
    ):
        other("a", 1)
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "bind", full)
            late = Workers(tmp_path, "late", Counting(10))
            with pytest.raises(OSError, match="find each other"):
                jobs(late)

        assert self.answers(late) == [11]
        late.leave(5)

    def test_files_that_are_cut_off_are_left_out(self, here, other, tmp_path):
        other("ended", 10).communicate("\n")
        assert jobs(here) == 11
        killed = other("a", 100)
        killed.kill()
        killed.wait()
        (tmp_path / f"{killed.pid}.json").write_text('{"member": "')
        (tmp_path / "ended.json").write_text("")

        assert jobs(here) == 11

    def test_a_worker_without_room_for_another_file_answers_again_once_it_has(self, here, monkeypatch):
        monkeypatch.setattr(_workers, "_ACCEPT_PAUSE_SECONDS", 0.05)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            free = os.dup(0)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
            try:
                client.connect(str(here._socket_path))
                time.sleep(0.3)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)

            with client.makefile("rb") as answer:
                assert json.loads(answer.read())["instance"] == "here"


def full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")
