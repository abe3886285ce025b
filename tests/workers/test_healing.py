"""Whatever keeps workers from each other, they answer with the exact totals within 5 seconds once it is gone."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.workers import actions
from tests.workers.conftest import HEAL_SECONDS, same_total, serving, within
from tests.workers.strangers import remove

SCRAPE_SECONDS = 2.5
SETUP_SECONDS = 1
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="mounts need root")


def stop_in(worker, seconds, function, *args, **kwargs):
    """Stop a worker within a function: it may hold a lock then."""
    worker.begin(function, *args, **kwargs)
    time.sleep(seconds)
    worker.signal(signal.SIGSTOP)


@pytest.mark.parametrize("delay", [0.001, 0.005, 0.02, 0.05])
@pytest.mark.parametrize("within", ["a scrape", "its setup", "its exit"])
def test_a_worker_that_is_stopped_delays_neither_the_setup_nor_the_scrapes_of_others(server, within, delay):
    others = [server.worker() for _ in range(3)]
    for worker in others:
        worker.record(1)
        worker.do(actions.fail_uploads, "e", 200)
    if within == "its setup":
        stopped = server.process()
        stop_in(stopped, delay, actions.setup)
    else:
        stopped = server.worker()
        stopped.record(4)
        stop_in(stopped, delay, *((actions.get, actions.METRICS) if within == "a scrape" else (actions.shutdown,)))
    expected = 3 if within == "its setup" else 7
    late = server.worker()
    late.record(10)

    assert late.setup_seconds < SETUP_SECONDS
    for worker in (others[0], late):
        (answer,) = worker.ask()
        assert answer.status in {200, 503}
        assert answer.seconds < SCRAPE_SECONDS
    stopped.signal(signal.SIGCONT)
    stopped.answer()
    for worker in (others[0], late):
        same_total(worker, expected + 10)


def test_a_worker_that_starts_while_another_is_stopped_for_longer_than_any_timeout_joins_afterwards(server):
    stopped = server.worker()
    stopped.record(4)
    stop_in(stopped, 0.003, actions.get, actions.METRICS)
    late = server.worker()
    late.record(10)
    time.sleep(2 * SCRAPE_SECONDS)

    stopped.signal(signal.SIGCONT)
    stopped.answer()
    same_total(late, 14)
    same_total(stopped, 14)


def renamed(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        remove(path)


def replaced_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()
    time.sleep(0.2)
    folder.unlink()


@pytest.mark.parametrize("lose", [remove, renamed, emptied, replaced_by_file])
def test_a_directory_that_is_lost_under_load_comes_back_with_everything(server, folder, lose):
    first, second, ended = (server.worker() for _ in range(3))
    ended.record(5)
    ended.end()
    second.record(7)
    assert first.registrations() == 12
    first.begin(actions.record_for, 0.5)
    time.sleep(0.1)
    lose(folder)
    total = 12 + first.answer()

    within(HEAL_SECONDS, server, lambda: first.registrations() == second.registrations() == total)
    late = server.worker()
    late.record(1)
    same_total(late, total + 1)
    same_total(first, total + 1)


@pytest.fixture
def disk(public):
    """A small file system, and the directory of workers on it."""
    path = public / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def fill(disk):
    """Leave no byte on a file system; return what to remove."""
    ballast = disk / "ballast"
    number = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        for block in (2**16, 1):
            with suppress(OSError):
                while os.write(number, bytes(block)):
                    pass
    finally:
        os.close(number)
    return ballast


def failures(scrape):
    names = ("file_upload_failures_total", "payment_failures_total", "application_errors_total")
    return [scrape.value(name) for name in names]


@needs_root
@pytest.mark.parametrize("full", ["before the first worker", "before the second worker", "while workers record"])
def test_a_full_disk_kills_no_worker_and_once_there_is_room_everything_is_counted(spawner, disk, full):
    environ = {"WXIAI_OTEL_WORKERS_FOLDER": f"{disk}/workers"}
    with serving(spawner, environ) as server:
        ballast = fill(disk) if full == "before the first worker" else None
        first = server.worker()
        first.record(3)
        ballast = fill(disk) if full == "before the second worker" else ballast
        second = server.worker()
        second.record(4)
        ballast = fill(disk) if full == "while workers record" else ballast
        for worker in (first, second):
            worker.do(actions.fail_uploads, "e", 200)
            worker.do(actions.refuse_payments, "p", 50)
            worker.do(actions.fail, "f", 100)
            (answer,) = worker.ask()
            assert answer.status in {200, 503}
            assert answer.seconds < SCRAPE_SECONDS
            assert worker.setup_seconds < SETUP_SECONDS

        ballast.unlink()
        for worker in (first, second):
            same_total(worker, 7)
            within(HEAL_SECONDS, server, lambda worker=worker: failures(worker.scrape()), equals=[400, 100, 200])


@needs_root
def test_a_read_only_disk_is_used_once_it_is_writable(spawner, disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with serving(spawner, {"WXIAI_OTEL_WORKERS_FOLDER": f"{disk}/workers"}) as server:
        first, second = server.worker(), server.worker()
        first.record(3)
        second.record(4)
        assert {first.registrations(), second.registrations()} == {None}
        assert max(first.setup_seconds, second.setup_seconds) < SETUP_SECONDS

        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        same_total(first, 7)
        same_total(second, 7)


def test_a_directory_whose_parent_is_not_there_yet_is_made_once_it_is(spawner, public):
    parent = public / "parent"
    parent.touch()
    with serving(spawner, {"WXIAI_OTEL_WORKERS_FOLDER": f"{parent}/workers"}) as server:
        first, second = server.worker(), server.worker()
        first.record(3)
        second.record(4)
        assert {first.registrations(), second.registrations()} == {None}

        parent.unlink()
        parent.mkdir()
        same_total(first, 7)
        same_total(second, 7)


def test_a_worker_without_room_for_open_files_joins_once_it_has(server):
    first, second = server.worker(), server.process()
    first.record(3)
    second.do(actions.open_no_more)
    second.do(actions.setup)
    second.record(4)
    assert second.setup_seconds < SETUP_SECONDS

    second.do(actions.open_again)
    same_total(second, 7)
    same_total(first, 7)
