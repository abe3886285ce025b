"""Workers that are slow, stopped, killed or recycled: totals are exact and never fall, and nothing piles up."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.scrape import parse
from tests.servers.uvicorn import gunicorn
from tests.until import until
from tests.workers import actions
from tests.workers.conftest import watched

SCRAPE_SECONDS = 2.5
KILLED = 250
AT_ONCE = 10


def test_a_stopped_worker_delays_no_scrape_and_all_it_recorded_is_in_the_totals(server):
    first, stopped = server.worker(), server.worker()
    first.record(3)
    stopped.record(4, requests=2)
    stopped.signal(signal.SIGSTOP)
    (answer,) = first.ask()

    assert answer.seconds < SCRAPE_SECONDS
    scrape = first.scrape()
    assert scrape.value("user_registrations_total") == 7
    assert scrape.value("http_requests_total", endpoint="/hello") == 2
    stopped.signal(signal.SIGCONT)
    stopped.record(1)
    assert first.registrations() == 8


def test_sixteen_stopped_workers_delay_a_scrape_no_longer_than_one(server):
    first, *stopped = (server.worker() for _ in range(17))
    for worker in stopped:
        worker.record(1)
        worker.signal(signal.SIGSTOP)
    (answer,) = first.ask()

    assert answer.status == 200
    assert answer.seconds < SCRAPE_SECONDS
    assert first.registrations() == 16


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV], ids=lambda number: number.name)
def test_all_that_a_worker_recorded_before_it_was_killed_is_counted(server, number):
    first, killed = server.worker(), server.worker()
    killed.record(4, requests=2)
    killed.signal(number)
    killed.gone()

    scrape = first.scrape()
    assert scrape.value("user_registrations_total") == 4
    assert scrape.value("http_requests_total", endpoint="/hello") == 2
    assert scrape.value("http_request_duration_seconds_count", endpoint="/hello") == 2


@pytest.mark.parametrize("leave", ["end", "kill"])
def test_what_a_worker_counted_with_meters_of_the_application_is_kept_once_it_was_scraped(server, leave):
    first, gone = server.worker(), server.worker()
    first.do(actions.count_in_meter, "jobs", 4)
    gone.do(actions.count_in_meter, "jobs", 5)
    assert first.scrape().value("jobs_total") == 9
    getattr(gone, leave)()

    assert [first.scrape().value("jobs_total") for _ in range(3)] == [9, 9, 9]


@pytest.mark.parametrize("leave", ["end", "kill"])
def test_gauges_of_a_worker_that_is_gone_disappear_and_those_of_live_ones_stay(server, leave):
    first, second = server.worker(), server.worker()
    for worker in (first, second):
        worker.do(actions.hold_gauges)

    def hanging():
        return first.scrape().value("http_concurrent_connections")

    until(hanging, equals=2)
    assert first.scrape().value("health_check_status", check="flaky") == 0
    getattr(second, leave)()
    until(hanging, equals=1)
    third = server.worker()
    first.kill()
    until(lambda: not third.scrape().has("health_check_status", check="flaky"))
    assert third.scrape().value("http_concurrent_connections") == 0


def size(folder: Path) -> tuple[int, int]:
    """How many files are in a directory, and their bytes on the disk."""
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # in use, some are only there for a moment
            found.append(path.lstat())
    return len(found), sum(status.st_blocks * 512 for status in found)


def live_and_die(server, number):
    """Start a worker, have it record, and kill it, at times while it still records."""
    worker = server.worker()
    worker.record(3, requests=1)
    worker.do(actions.fail_uploads, f"e{number % 7}", 1)
    worker.kill()
    return worker


@pytest.mark.timeout(300)
@pytest.mark.long
def test_hundreds_of_workers_that_are_killed_under_load_stay_exact_and_pile_up_nowhere(server, folder):
    observer, loaded = server.worker(), server.worker()
    loaded.begin(actions.record_until_told, str(folder.with_name("over")))
    with watched(observer) as seen, ThreadPoolExecutor(AT_ONCE) as pool:
        for killed in range(0, KILLED, 50):
            list(pool.map(lambda number: live_and_die(server, number), range(50)))
            server.workers = server.workers[:2]
            if killed == 0:
                files, size_before = size(folder)
    folder.with_name("over").touch()
    total = 3 * KILLED + loaded.answer()

    assert None not in seen
    assert seen == sorted(seen)
    scrape = observer.scrape()
    assert scrape.value("user_registrations_total") == total
    assert scrape.value("http_requests_total", endpoint="/hello") == KILLED
    assert scrape.value("file_upload_failures_total") == KILLED
    assert loaded.registrations() == total
    # The first ones have all series: from there nothing grows, however many more there are.
    until(lambda: size(folder)[0] <= files)
    assert size(folder)[1] <= size_before + 2**14


@pytest.mark.long
def test_a_worker_that_is_killed_while_it_records_loses_nothing_that_was_seen(server):
    observer = server.worker()
    low = 0
    for _ in range(20):
        worker = server.worker()
        worker.begin(actions.record_for, 5, 0)
        time.sleep(0.02)
        before = observer.registrations()
        worker.kill()
        after = observer.registrations()
        assert low <= before <= after
        low = after
        assert observer.registrations() == after


def get(server, path):
    """Send a request, again if the worker ends before it reads it."""
    for _ in range(20):
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{server.url}{path}", timeout=30)
            assert answer.status_code == 200
            return answer.text
        time.sleep(0.05)
    raise AssertionError("no worker answers")


@pytest.mark.timeout(240)
@pytest.mark.long
def test_workers_that_are_recycled_after_some_requests_stay_exact(tmp_path):
    sent, seen = 50, []
    options = ("--workers", "2", "--max-requests", "12", "--max-requests-jitter", "4")
    environ = {"TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    with gunicorn("tests.integration.served:app", *options, env=environ) as server:

        def total():
            return parse(get(server, "/monitoring/metrics")).value("http_requests_total", endpoint="/fast/{n}")

        for number in range(sent):
            get(server, f"/fast/{number}")
            if number % 10 == 0:
                seen.append(total())
        assert total() == sent
    assert seen == sorted(seen)
