"""Workers of one server answer with the totals of all."""

from tests.workers import actions


def test_each_worker_answers_with_the_totals_of_all(server):
    first, second = server.worker(), server.worker()
    first.record(3, requests=2)
    second.record(4, requests=5)
    second.do(actions.count_in_meter, "jobs", 6)

    for worker in (first, second):
        scrape = worker.scrape()
        assert scrape.value("user_registrations_total") == 7
        assert scrape.value("http_requests_total", endpoint="/hello") == 7
        assert scrape.value("http_request_duration_seconds_count", endpoint="/hello") == 7
        assert scrape.value("jobs_total") == 6


def test_workers_without_a_setting_find_each_other_in_the_temporary_directory(usual):
    first, second = usual.worker(), usual.worker()
    first.record(3)
    second.record(4)

    assert [first.registrations(), second.registrations()] == [7, 7]
    assert first.setup_seconds < 1
