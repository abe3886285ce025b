"""A fork beside a collection of the SDK: the child must not inherit a held lock."""

import os
import threading
import time

import pytest

from tests.internals import sdk_collection, sdk_storage


def in_child(check) -> bool:
    """What a forked child finds."""
    child = os.fork()
    if child == 0:
        os._exit(0 if check() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def collection():
    """A collection that runs on another thread until an event is set."""
    begun, end = threading.Event(), threading.Event()

    def collect():
        with sdk_storage.held(1):
            begun.set()
            end.wait(60)

    thread = threading.Thread(target=collect)
    thread.start()
    begun.wait(30)
    yield end
    end.set()
    thread.join()


def test_a_fork_waits_for_a_collection_on_another_thread(collection, monkeypatch):
    monkeypatch.setattr(sdk_collection, "_FORK_SECONDS", 50)
    threading.Timer(0.05, collection.set).start()
    assert in_child(collection.is_set)


def test_a_fork_waits_for_a_limited_time(collection):
    begun = time.monotonic()
    assert not in_child(collection.is_set)
    assert time.monotonic() - begun < 30


def test_a_fork_within_a_collection_waits_for_nothing(monkeypatch):
    monkeypatch.setattr(sdk_collection, "_FORK_SECONDS", 60)
    begun = time.monotonic()
    with sdk_storage.held(1):
        assert in_child(lambda: True)
    assert time.monotonic() - begun < 30


def test_parent_and_child_collect_after_a_fork():
    def is_free():
        with sdk_storage.held(0) as held:
            return held

    assert in_child(is_free)
    assert is_free()
    assert not sdk_collection._forking
