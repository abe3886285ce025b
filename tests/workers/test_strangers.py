"""Other users of the machine cannot read, change, delay or enlarge what workers share."""

import os
import signal
from pathlib import Path

import pytest

from tests.scrape import parse
from tests.workers import actions, strangers
from tests.workers.conftest import HEAL_SECONDS, NOBODY, REGISTRATIONS, same_total, serving, within
from tests.workers.strangers import STRANGER, remove, similar, taken_name

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs several users")

SETUP_SECONDS = 1
SCRAPE_SECONDS = 2.5
GROWN_MB = 64


def taken_by(server):
    """The paths that workers of a server make in the directories for temporary files, which are empty again."""
    worker = server.worker()
    worker.record()
    assert worker.registrations() == 1
    found = server.spawner.found()
    worker.kill()
    server.spawner.clear()
    assert found
    return found


def contents(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", strangers.TAKEN)
def test_names_that_a_stranger_has_taken_do_not_stop_workers_from_finding_each_other(usual, kind):
    paths = taken_by(usual)
    for path in paths:
        taken_name(path, kind, STRANGER)
    first, second = usual.worker(), usual.worker()
    first.record(3)
    second.record(4)

    same_total(first, 7)
    same_total(second, 7)
    assert max(first.setup_seconds, second.setup_seconds) < SETUP_SECONDS
    for path in paths:
        assert path.lstat().st_uid == STRANGER
        if "directory" in kind:
            assert contents(path) == []
        if kind == "symbolic link":
            assert contents(path.with_name(f"{path.name}-target")) == []


@pytest.mark.parametrize("kind", strangers.TAKEN)
def test_a_given_directory_that_is_a_strangers_is_not_used_and_once_it_is_gone_another_is(server, folder, kind):
    taken_name(folder, kind, STRANGER)
    first, second = server.worker(), server.worker()
    first.record(3)
    second.record(4)

    assert {first.registrations(), second.registrations()} <= {None, 7}
    if kind == "symbolic link":
        assert contents(folder.with_name("workers-target")) == []
    elif "directory" in kind:
        assert all(path.is_dir() and path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    assert max(first.setup_seconds, second.setup_seconds) < SETUP_SECONDS

    remove(folder)
    same_total(first, 7)
    same_total(second, 7)


@pytest.mark.parametrize("umask", [0, 0o022, 0o177], ids=oct)
def test_no_other_user_can_enter_the_directory_of_the_workers(usual, umask):
    worker = usual.process()
    worker.do(os.umask, umask)
    worker.do(actions.setup)
    worker.record()
    assert worker.registrations() == 1

    made = usual.spawner.found()
    assert made
    for path in made:
        assert path.stat().st_mode & 0o077 == 0
        assert path.stat().st_uid == usual.uid


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o755, 0o500], ids=oct)
def test_counterfeit_files_of_a_stranger_are_not_counted(server, spawner, folder, public, mode):
    elsewhere = public / "elsewhere"
    with serving(spawner, {"WXIAI_OTEL_WORKERS_FOLDER": str(elsewhere)}) as others:
        live, killed, ended = (others.worker() for _ in range(3))
        for worker in (live, killed, ended):
            worker.record(1000)
        ended.end()
        assert live.registrations() == 3000
        killed.kill()
        live.kill()
    folder.mkdir()
    strangers.copied(elsewhere, folder, STRANGER)
    folder.chmod(mode)
    first, second = server.worker(), server.worker()
    first.record(3)
    second.record(4)

    same_total(first, 7)
    same_total(second, 7)
    assert max(first.setup_seconds, second.setup_seconds) < SETUP_SECONDS


@pytest.mark.parametrize("uid", [0, NOBODY], ids=["root", "unprivileged"])
@pytest.mark.parametrize("junk", strangers.JUNK)
def test_whatever_stands_in_for_files_of_workers_changes_and_delays_nothing(spawner, public, junk, uid):
    folder = public / "workers"
    with serving(spawner, {"WXIAI_OTEL_WORKERS_FOLDER": str(folder)}, uid) as server:
        live = server.worker()
        live.record(3)
        own = set(folder.rglob("*"))
        dead = server.worker()
        dead.record(4)
        assert live.registrations() == 7
        seen = strangers.files(folder)
        # Or it counts the dead worker before another file is in its place, and again afterwards.
        live.signal(signal.SIGSTOP)
        dead.kill()
        for path, content in seen.items():
            # In place of what the dead worker has left, and beside it under similar names.
            if path not in own:
                place(path, junk, content, uid)
            for number, name in enumerate(similar(path.name)):
                place(path.with_name(name), junk, content if number % 2 else b"\0" * 4096, (uid, STRANGER)[number % 2])
        live.signal(signal.SIGCONT)
        late = server.worker()
        late.record(10)

        assert late.setup_seconds < SETUP_SECONDS
        for worker in (live, late):
            # Nothing is shown rather than less than before, until it is certain that no worker returns.
            within(HEAL_SECONDS, server, lambda worker=worker: worker.ask()[0].status, equals=200)
            (answer,) = worker.ask()
            assert parse(answer.text).value(REGISTRATIONS) in {13, 17}
            assert answer.seconds < SCRAPE_SECONDS
            assert answer.grown_mb < GROWN_MB
            assert "stranger" not in answer.text


def place(path: Path, junk: str, content: bytes, owner: int) -> None:
    """Put something in the place of a file, as another user would: it never belongs to this user in between."""
    remove(path)
    made = path.parent.with_name("made") / path.name
    made.parent.mkdir(exist_ok=True)
    strangers.JUNK[junk](made, content)
    if not made.is_symlink() and junk != "hard link to another user's file":
        os.chown(made, owner, owner)
    made.rename(path)


@pytest.mark.parametrize("owner", [None, STRANGER], ids=["own", "a stranger's"])
def test_directories_that_look_forgotten_disable_nothing_however_deep_they_are(usual, owner):
    for path in taken_by(usual):
        for name in similar(path.name)[-2:]:
            strangers.nest(path.with_name(name), usual.uid if owner is None else owner)
    worker = usual.worker()
    worker.record()

    same_total(worker, 1)
    assert worker.setup_seconds < SETUP_SECONDS


@pytest.mark.parametrize("owner", [None, STRANGER], ids=["own", "a stranger's"])
@pytest.mark.long
def test_directories_beside_that_of_the_workers_do_not_delay_the_setup_however_many_they_are(usual, owner):
    paths = [f"{path.with_name(name)}" for path in taken_by(usual) for name in similar(path.name)]
    uid = usual.uid if owner is None else owner
    for number in range(100_000):
        path = f"{paths[number % len(paths)]}{number // len(paths)}"
        os.mkdir(path)  # noqa: PTH102 - faster
        if uid:
            os.chown(path, uid, uid)
    worker = usual.worker()
    worker.record()
    (answer,) = worker.ask()

    assert parse(answer.text).value(REGISTRATIONS) == 1
    assert answer.seconds < SCRAPE_SECONDS
    assert worker.setup_seconds < SETUP_SECONDS
    if owner is not None:
        assert len(usual.spawner.found()) >= 100_000
