"""The files of the workers: whose they are, which are counted, and which are removed."""

import errno
import fcntl
import os
import socket

import pytest

from tests.prometheus.internals import (
    ENDED,
    MOST_BYTES,
    VALUES,
    Segment,
    SharedDirectory,
    ended,
    fold,
    members,
    series_key,
)

LIVE, DEAD, OTHER = "1" * 32, "2" * 32, "3" * 32
SOLD = series_key("own", "credits.purchased", {})


@pytest.fixture
def worker(directory):
    """Makes a worker that has sold as much."""
    segments = []

    def make(name: str, sold: float, *, is_live: bool = True) -> Segment:
        segment = Segment(directory, name + VALUES)
        segment.allocate(SOLD, 2, 1)[0] = sold
        segments.append(segment)
        if not is_live:
            segment.close()
        return segment

    yield make
    for segment in segments:
        segment.close()


def folded(directory) -> dict:
    fold(directory, 100, b"")
    _, totals, number = ended(directory.read(ENDED, MOST_BYTES))
    return {"workers": number, **{key: sum(total.sums) for key, total in totals.items()}}


def test_a_worker_is_alive_as_long_as_its_file_is_locked(directory, worker):
    worker(LIVE, 1)
    worker(DEAD, 2, is_live=False)
    assert {name: is_live for name, _, is_live in members(directory)} == {LIVE: True, DEAD: False}


def test_counts_of_ended_workers_are_kept_and_their_files_removed(directory, worker):
    worker(LIVE, 1)
    for name in (DEAD, OTHER):
        worker(name, 2, is_live=False)
        directory.write(f"{name}.json", b"{}")
        os.close(directory.pipe(f"{name}.pipe"))
    assert folded(directory) == {"workers": 2, SOLD: 4}
    assert directory.names() == [LIVE + VALUES, ENDED, "lock"]


@pytest.mark.parametrize(
    "name", [".values", "1.values", "e.values", "lo.values", "data.values", f"{DEAD[:31]}G.values"]
)
def test_files_with_other_names_are_neither_counted_nor_removed(directory, worker, name):
    worker(LIVE, 1)
    worker(DEAD, 2, is_live=False)
    directory.write(name, b"something else")
    assert folded(directory) == {"workers": 1, SOLD: 2}
    assert directory.names() == sorted([name, LIVE + VALUES, ENDED, "lock"])


@pytest.mark.parametrize("kind", ["link", "pipe", "directory", "socket"])
def test_what_is_no_file_is_no_worker(directory, worker, kind, monkeypatch):
    worker(LIVE, 1)
    monkeypatch.chdir(directory.path)  # the name of a socket must be short
    if kind == "link":
        (directory.path / (DEAD + VALUES)).symlink_to("/etc/hostname")
    elif kind == "pipe":
        os.mkfifo(DEAD + VALUES)
    elif kind == "directory":
        (directory.path / (DEAD + VALUES)).mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(DEAD + VALUES)
    assert [name for name, _, _ in members(directory)] == [LIVE]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO])
def test_a_worker_that_cannot_be_read_is_an_error(directory, worker, monkeypatch, number):
    """Without its counts, counters would go back."""
    worker(LIVE, 1)
    worker(DEAD, 2, is_live=False)
    original = os.open

    def fail(name, *args, **kwargs):
        if name == DEAD + VALUES:
            raise OSError(number, os.strerror(number))
        return original(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError, match=os.strerror(number)):
        list(members(directory))
    with pytest.raises(OSError, match=os.strerror(number)):
        fold(directory, 100, b"")
    monkeypatch.undo()
    assert folded(directory) == {"workers": 1, SOLD: 2}


@pytest.mark.parametrize("name", [f"{DEAD}.values.new", f"{DEAD}.json.17-3", f"{DEAD}.pipe"])
def test_files_of_a_worker_that_was_killed_while_it_joined_are_removed_later(directory, name):
    directory.write(name, b"")
    fold(directory, 100, b"")
    assert name in directory.names()
    os.utime(directory.path / name, (0, 0))
    fold(directory, 100, b"")
    assert directory.names() == ["lock"]


def test_a_child_that_is_forked_during_a_fold_does_not_stop_the_next_one(directory, worker, monkeypatch):
    worker(DEAD, 2, is_live=False)
    release = os.pipe()
    children = []
    write = SharedDirectory.write

    def write_and_fork(self, name, data):
        write(self, name, data)
        children.append(os.fork())
        if children == [0]:
            os.read(release[0], 1)
            os._exit(0)

    monkeypatch.setattr(SharedDirectory, "write", write_and_fork)
    fold(directory, 100, b"")
    monkeypatch.undo()
    try:
        worker(OTHER, 3, is_live=False)
        assert folded(directory) == {"workers": 2, SOLD: 5}
    finally:
        os.write(release[1], b"1")
        os.waitpid(children[0], 0)
        for fd in release:
            os.close(fd)


def test_two_processes_do_not_fold_at_once(directory, worker):
    worker(DEAD, 2, is_live=False)
    ready, release = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        fd = directory.open("lock", os.O_RDWR | os.O_CREAT)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        os.write(ready[1], b"1")
        os.read(release[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    fold(directory, 100, b"")
    assert ENDED not in directory.names()
    os.write(release[1], b"1")
    os.waitpid(child, 0)
    assert folded(directory) == {"workers": 1, SOLD: 2}
    for fd in (*ready, *release):
        os.close(fd)


def test_a_worker_whose_files_outlive_its_fold_is_counted_once(directory, worker, monkeypatch):
    """The worker that folded it may have been killed before it removed them."""
    worker(DEAD, 2, is_live=False)
    with monkeypatch.context() as killed:
        killed.setattr(SharedDirectory, "remove", lambda self, name: None)
        fold(directory, 100, b"")
    assert directory.names() == [DEAD + VALUES, ENDED, "lock"]
    assert folded(directory) == {"workers": 1, SOLD: 2}
    assert directory.names() == [ENDED, "lock"]


@pytest.mark.parametrize("content", [b"", b"x" * 1_000])
def test_a_damaged_file_of_ended_workers_is_put_right_from_what_another_one_knows(directory, worker, content):
    worker(DEAD, 2, is_live=False)
    fold(directory, 100, b"")
    known = directory.read(ENDED, MOST_BYTES)
    directory.write(ENDED, content)
    fold(directory, 100, known)
    assert folded(directory) == {"workers": 1, SOLD: 2}
