"""The merged exposition holds the documented bounds of labels and series, and exact totals."""

from itertools import pairwise

import pytest

from tests.workers import actions

# The bounds of labels: docs/security.md.
ERRORS, COMPONENTS, REASONS, CHANNELS = 200, 100, 50, 50


def values(scrape, name, label):
    """How many values a label has."""
    return len(scrape.series(name, label))


def recycle(server, folder, count, types, act):
    """Have workers record, of which some end in order, some are killed and the last three live; return an observer."""
    observer = server.worker()
    for number in range(count):
        worker = server.worker()
        worker.do(act, f"w{number}e", types)
        if number < count - 3:
            (worker.end, worker.kill)[number % 2]()
    return observer


@pytest.mark.long
def test_forty_recycled_workers_with_300_types_of_errors_each(server, folder):
    observer = recycle(server, folder, 40, 300, actions.fail_uploads)

    for worker in (observer, server.workers[-1]):
        scrape = worker.scrape()
        assert values(scrape, "file_upload_failures_total", "error_type") <= ERRORS + 1
        assert scrape.value("file_upload_failures_total") == 40 * 300
        assert scrape.value("file_upload_failures_total", error_type="other") >= 39 * 300


def test_live_workers_alone_hold_the_bound_too(server):
    workers = [server.worker() for _ in range(4)]
    for number, worker in enumerate(workers):
        worker.do(actions.fail_uploads, f"w{number}e", 150)

    for worker in workers:
        scrape = worker.scrape()
        assert values(scrape, "file_upload_failures_total", "error_type") <= ERRORS + 1
        assert scrape.value("file_upload_failures_total") == 4 * 150


@pytest.mark.parametrize(
    ("act", "name", "bounds"),
    [
        (actions.fail, "application_errors_total", {"error_type": ERRORS, "component": COMPONENTS}),
        (actions.refuse_logins, "login_failures_total", {"reason": REASONS}),
        (actions.refuse_payments, "payment_failures_total", {"channel": CHANNELS, "error_type": ERRORS}),
    ],
)
def test_each_label_has_its_own_bound(server, folder, act, name, bounds):
    observer = recycle(server, folder, 6, 90, act)

    scrape = observer.scrape()
    for label, bound in bounds.items():
        assert values(scrape, name, label) <= bound + 1
    assert scrape.value(name) == 6 * 90


def test_the_setting_max_series_bounds_the_series_of_all_workers(spawner, server):
    workers = [server.worker(max_series=50) for _ in range(4)]
    for number, worker in enumerate(workers):
        worker.do(actions.fail_uploads, f"w{number}e", 40)
        if number % 2:
            worker.kill()

    scrape = workers[0].scrape()
    assert values(scrape, "file_upload_failures_total", "error_type") <= 51
    assert scrape.value("file_upload_failures_total") == 160


def test_a_series_that_was_shown_under_its_own_label_never_falls(server):
    seen = []
    observer = server.worker()
    for number in range(8):
        worker = server.worker()
        worker.do(actions.fail_uploads, f"w{number % 4}e", 70)
        seen.append(observer.scrape().series("file_upload_failures_total", "error_type"))
        worker.kill()
        seen.append(observer.scrape().series("file_upload_failures_total", "error_type"))

    for before, after in pairwise(seen):
        assert {labels: after.get(labels, 0) for labels, value in before.items() if after.get(labels, 0) < value} == {}
