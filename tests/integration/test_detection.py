"""Faults in the running example reach people in time: the short form of ``scripts/detection``.

Every interval and window is a quarter of what it is in production, and so is the time in which people have to know.
"""

import os
import time
import urllib.request
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from benchmarks.detection.faults import CASES, CRITICAL_SECONDS, Case
from benchmarks.detection.platform import Platform, everything
from benchmarks.detection.sinks import MAIL, Notification
from dashboards.files import UIDS
from tests.until import until

pytestmark = [pytest.mark.built, pytest.mark.timeout(300)]

CASE = {case.name: case for case in CASES}
TOLD = (MAIL, "dingtalk")
SPEED = 4
QUICKER = {
    "STACK_SPEED": str(SPEED),
    "COLLECTOR_METRIC_EXPIRATION": f"{30_000 // SPEED}ms",
    "OTEL_METRIC_EXPORT_INTERVAL": str(5_000 // SPEED),
}
# The work of programs, which takes its time at any speed.
WORK_SECONDS = 3.0
WITHIN_SECONDS = CRITICAL_SECONDS / SPEED + WORK_SECONDS
# What else were to be told of the same fault has a group_wait of 10 s at the most.
SETTLED_SECONDS = 15.0 / SPEED
DASHBOARDS = "http://localhost:3000/d/"


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Iterator[Platform]:
    with patch.dict(os.environ, QUICKER), everything(tmp_path_factory.mktemp("detection")) as running:
        yield running


def pages(example: Platform, channel: str, since: float) -> list[Notification]:
    """What a channel was told of this application's faults."""
    return [
        one
        for one in example.sinks.all()
        if one.channel == channel and one.at > since and not one.resolved and example.job in one.text
    ]


def assert_is_one_page(example: Platform, case: Case) -> None:
    """Of a fault that goes on."""
    first = case.fault.begin(example)
    until(lambda: all(pages(example, channel, first) for channel in TOLD))
    arrived = {channel: [one.at - first for one in pages(example, channel, first)] for channel in TOLD}
    assert all(times[0] <= WITHIN_SECONDS for times in arrived.values()), arrived
    time.sleep(SETTLED_SECONDS)
    for channel in TOLD:
        (page,) = pages(example, channel, first)
        assert set(page.names) <= set(case.alerts)
        assert_links_lead_somewhere(page)


def test_errors_are_one_page_within_a_minute_to_mails_and_chats(example):
    case = CASE["errors"]
    try:
        assert_is_one_page(example, case)
    finally:
        case.fault.end(example)


def test_an_application_that_is_killed_likewise(example):
    """The last one: it is not started again."""
    assert_is_one_page(example, CASE["application"])


def assert_links_lead_somewhere(page: Notification) -> None:
    links = page.links()
    assert any("/runbooks/" in link for link in links)
    assert any(link.startswith(DASHBOARDS) for link in links)
    for link in links:
        if link.startswith(DASHBOARDS):
            # Grafana is in docker-compose only.
            assert link.removeprefix(DASHBOARDS) in UIDS
        else:
            with urllib.request.urlopen(link, timeout=10) as answer:
                assert answer.status == 200, link
