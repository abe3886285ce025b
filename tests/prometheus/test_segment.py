"""Counts in a mapped file are read exactly as they were written, whatever state the file is in."""

import fcntl
import os
import random
import threading

import pytest

from tests.forks import forked
from tests.prometheus.internals import HEADER_BYTES, Header, Record, Segment, Storage, _segment, packed, records
from wxiai_otel.catalogue import BY_NAME


@pytest.fixture
def segment(directory):
    segment = Segment(directory, "own.values")
    yield segment
    segment.close()


def content(directory) -> bytes:
    return directory.read("own.values", _segment.MOST_BYTES)


def test_cells_are_read_as_they_are_at_that_moment(directory, segment):
    first = segment.allocate(b"first", 2, 17)
    second = segment.allocate("第二个".encode(), 4, 18)
    assert [record.cells for record in records(content(directory))] == [[0, 0], [0, 0, 0, 0]]

    first[0] = 0.1
    second[3] = 7
    found = list(records(content(directory)))
    assert [(one.key.decode(), one.start_ns, one.cells) for one in found] == [
        ("first", 17, [0.1, 0]),
        ("第二个", 18, [0, 0, 0, 7]),
    ]
    assert found[0].order < found[1].order


def test_a_file_of_many_steps_keeps_all(directory, segment):
    for number in range(5_000):
        segment.allocate(f"series {number}".encode(), 3, 0)[0] = number
    assert [record.cells[0] for record in records(content(directory))] == list(range(5_000))


def test_threads_get_places_of_their_own(directory, segment):
    def allocate(thread):
        for number in range(500):
            segment.allocate(b"%d" % thread, 2, 0)[0] = number

    threads = [threading.Thread(target=allocate, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = list(records(content(directory)))
    assert sorted((one.key, one.cells[0]) for one in found) == sorted(
        (b"%d" % thread, number) for thread in range(8) for number in range(500)
    )


def test_a_full_file_takes_no_more_and_keeps_what_it_has(directory, monkeypatch):
    monkeypatch.setattr(_segment, "MOST_BYTES", 1 << 16)
    segment = Segment(directory, "own.values")
    kept = 0
    while segment.allocate(b"x" * 100, 2, 0) is not None:
        kept += 1
    assert kept > 300
    assert len(list(records(content(directory)))) == kept
    segment.close()


def test_a_disk_without_room_is_no_fault(directory, segment, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    found = [segment.allocate(b"x" * 1_000, 2, 0) for _ in range(100)]
    assert None in found
    monkeypatch.undo()
    assert segment.allocate(b"x" * 1_000, 2, 0) is not None


def test_what_is_packed_is_read_again():
    written = [Record(b"a", 1, 2, [0.5, 0.0]), Record("键".encode(), 3, 4, [1.0, 0.0, 2.0])]
    assert list(records(packed(written))) == written
    assert list(records(packed([]))) == []


@pytest.mark.parametrize("cut", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 39, -1])
def test_of_a_file_that_is_cut_off_the_whole_records_are_read(cut):
    written = [Record(b"a", 1, 2, [0.5, 0.0]), Record(b"b", 3, 4, [1.0, 0.0])]
    found = list(records(packed(written)[:cut]))
    assert found == written[: len(found)]


def test_any_bytes_are_read_without_a_fault():
    chance = random.Random(7)
    sound = packed([Record(b"key %d" % number, 1, 2, [1.0, 0.0]) for number in range(20)])
    for _ in range(2_000):
        broken = bytearray(sound)
        for _ in range(chance.randrange(1, 20)):
            broken[chance.randrange(8, len(broken))] = chance.randrange(256)
        assert len(list(records(bytes(broken)))) <= 21
    assert list(records(chance.randbytes(10_000))) == []


def test_a_publication_is_numbered_when_it_starts_and_when_it_is_finished(directory, segment):
    fd = directory.open("own.values", os.O_RDONLY)
    with segment.publishing():
        assert Header.read(fd)[3:] == (1, 0)
    with pytest.raises(ZeroDivisionError), segment.publishing():
        raise ZeroDivisionError
    assert Header.read(fd)[3:] == (2, 2)
    os.close(fd)


@pytest.mark.parametrize("removal", ["the file", "the directory", "another directory in its place"])
def test_a_removed_file_or_directory_is_noticed(directory, segment, removal):
    assert not segment.is_removed()
    if removal == "the file":
        (directory.path / "own.values").unlink()
    else:
        directory.path.rename(directory.path.with_name("elsewhere"))
    if removal == "another directory in its place":
        directory.path.mkdir()
        (directory.path / "own.values").write_bytes(b"")
    assert segment.is_removed()


def test_no_more_is_read_than_is_in_use(directory, segment):
    segment.allocate(b"key", 2, 0)
    fd = directory.open("own.values", os.O_RDWR)
    used = len(_segment.read(fd))
    assert used < 200
    os.pwrite(fd, Header(_segment.MAGIC, -1).packed(), 0)
    assert _segment.read(fd) == b""
    os.close(fd)


def test_a_forked_child_counts_nothing_in_its_parents_file(directory, segment):
    storage = Storage()
    recorder = storage.recorder(BY_NAME["credits.purchased"], 10)
    storage.share(segment)
    recorder.record(3)

    def child():
        recorder.record(5)
        return [record.cells for record in records(content(directory))]

    assert forked(child) == "[[3.0, 0.0]]"


def test_a_forked_child_that_closes_it_keeps_no_lock(directory, segment):
    """The lock says that the process is alive; its children may outlive it."""
    ready, release = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        segment.close()
        os.write(ready[1], b"1")
        os.read(release[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        with directory.opened("own.values") as fd:
            with pytest.raises(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            segment.close()
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.write(release[1], b"1")
        os.waitpid(child, 0)
        for fd in (*ready, *release):
            os.close(fd)
