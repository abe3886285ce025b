"""Forks of a worker: what they record is counted, and they leave nothing behind."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.until import until
from tests.workers import actions, forks
from tests.workers.conftest import REGISTRATIONS

CHILDREN = 10


@pytest.mark.parametrize("kind", forks.KINDS)
def test_children_that_record_nothing_leave_no_file_and_no_open_file(server, folder, kind):
    worker = server.worker()
    worker.record(3)
    worker.do(forks.run, kind, 1, 0)  # what a first fork imports and opens
    assert worker.registrations() == 3
    files, opened = sorted(folder.rglob("*")), worker.do(actions.open_files)

    worker.do(forks.run, kind, CHILDREN, 0)
    # Some are only there for a moment.
    until(lambda: sorted(folder.rglob("*")) == files)
    until(lambda: worker.do(actions.open_files) == opened)
    assert worker.registrations() == 3


@pytest.mark.parametrize("kind", forks.KINDS)
def test_what_children_record_is_counted_once_and_what_their_parent_recorded_too(server, folder, kind):
    worker, other = server.worker(), server.worker()
    worker.record(3)
    worker.do(forks.run, kind, CHILDREN, 2)

    assert worker.registrations() == 3 + 2 * CHILDREN
    assert other.registrations() == 3 + 2 * CHILDREN
    files = len(list(folder.rglob("*")))
    worker.do(forks.run, kind, CHILDREN, 2)
    assert worker.registrations() == 3 + 4 * CHILDREN
    until(lambda: len(list(folder.rglob("*"))) <= files)


def totals(worker) -> tuple[float, ...]:
    scrape = worker.scrape()
    return tuple(scrape.value(name) for name in (REGISTRATIONS, "made_total", "sold_total"))


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), (1, 1, 1)),
        (("registration",), (1 + CHILDREN, 1, 1)),
        (("meter",), (1, 1 + CHILDREN, 1)),
        (("registration", "client"), (1 + CHILDREN, 1, 1 + CHILDREN)),
        (("meter", "client", "registration", "meter"), (1 + CHILDREN, 1 + 2 * CHILDREN, 1 + CHILDREN)),
    ],
)
def test_whatever_children_measure_is_counted_once_and_so_is_what_their_parent_measured(server, kinds, expected):
    worker = server.worker(prometheus_client=True)
    worker.do(forks.measure_in_children, CHILDREN, *kinds)

    assert totals(worker) == expected


def test_counts_of_prometheus_client_are_counted_once_if_telemetry_is_set_up_again(server):
    worker = server.worker(prometheus_client=True)
    worker.do(forks.measure_in_children, CHILDREN, again=True)

    assert totals(worker)[2] == 1


def test_a_child_that_outlives_its_parent_is_counted_and_so_is_the_parent(server):
    parent, other = server.worker(), server.worker()
    parent.record(3)
    child = parent.do(forks.leave_child, 5)
    try:
        parent.kill()
        assert other.registrations() == 3

        os.kill(child, signal.SIGUSR1)
        until(lambda: other.registrations() == 8)
        os.kill(child, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{child}").exists())
        assert other.registrations() == 8
        assert other.scrape().value(REGISTRATIONS) == 8
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def test_a_child_that_outlives_an_exit_in_order_does_not_keep_its_parent_alive(server):
    parent, other = server.worker(), server.worker()
    parent.record(3)
    parent.do(actions.hold_gauges)
    until(lambda: other.scrape().has("health_check_status", check="flaky"))
    child = parent.do(forks.leave_child, 5)
    try:
        parent.end()
        assert other.registrations() == 3
        until(lambda: not other.scrape().has("health_check_status", check="flaky"))
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
