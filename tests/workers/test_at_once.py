"""Several scrapes at once, and scrapes while workers come and go."""

import pytest

from tests.scrape import parse
from tests.workers import actions
from tests.workers.conftest import REGISTRATIONS, watched

SCRAPE_SECONDS = 2.5


def test_scrapes_of_one_worker_at_once_share_one_rendering(server):
    workers = [server.worker() for _ in range(4)]
    for number, worker in enumerate(workers):
        worker.do(actions.fail_uploads, f"w{number}e", 50)
    answers = workers[0].ask(at_once=8)

    assert {answer.status for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert max(answer.seconds for answer in answers) < SCRAPE_SECONDS


def test_scrapes_of_all_workers_at_once_are_all_answered_with_the_totals(server):
    workers = [server.worker() for _ in range(6)]
    for worker in workers:
        worker.do(actions.fail_uploads, "e", 150)
        worker.record(2)
    for _ in range(3):
        for worker in workers:
            worker.begin(actions.get, actions.METRICS, 2)
        answers = [answer for worker in workers for answer in worker.answer()]

        assert {answer.status for answer in answers} == {200}
        assert {parse(answer.text).value(REGISTRATIONS) for answer in answers} == {12}
        assert max(answer.seconds for answer in answers) < SCRAPE_SECONDS


@pytest.mark.parametrize("leave", ["end", "kill"])
@pytest.mark.long
def test_workers_that_come_and_go_leave_no_gap_in_the_answers(server, leave):
    observer = server.worker()
    with watched(observer) as seen:
        for _ in range(15):
            worker = server.worker()
            worker.record(2)
            getattr(worker, leave)()

    assert None not in seen
    assert seen == sorted(seen)
    assert observer.registrations() == 30
