"""Under several workers /monitoring/metrics has the totals of all, whichever answers, and loses nobody's that ended."""

import asyncio
import os
import signal
from collections import Counter

import httpx
import pytest

from tests.servers.uvicorn import Server, gunicorn, uvicorn
from tests.until import until

pytestmark = pytest.mark.long

LABELS = ("endpoint", "status_code")
REQUESTS = 120
RECYCLED = 3


async def drive(server: Server, sent: Counter, requests: int) -> None:
    numbers = iter(range(requests))

    async def visit(client: httpx.AsyncClient) -> None:
        for number in numbers:
            path = ("/fast/{}", "/fast/x{}", "/nowhere/{}")[number % 3].format(number)
            response = await client.get(path)
            endpoint = "unmatched" if path.startswith("/nowhere") else "/fast/{n}"
            sent[endpoint, str(response.status_code)] += 1

    # A connection for each request: the kernel spreads them over the workers.
    limits = httpx.Limits(max_keepalive_connections=0)
    transport = httpx.AsyncHTTPTransport(limits=limits, retries=3)
    async with httpx.AsyncClient(base_url=server.url, transport=transport, timeout=30) as client:
        await asyncio.gather(*(visit(client) for _ in range(10)))
    # The connections that it has closed are gone with the loop's next turn.
    await asyncio.sleep(0.01)


@pytest.fixture(scope="module", params=["uvicorn", "gunicorn with preload"])
def run(request):
    """A server with four workers, of which some are recycled in order between requests."""
    sent: Counter = Counter()
    seen = []
    serve, preload = (uvicorn, ()) if request.param == "uvicorn" else (gunicorn, ("--preload",))
    with serve("tests.integration.served:app", "--workers", "4", *preload) as server:
        for recycled in range(RECYCLED + 1):
            until(lambda: len(server.workers()), 60, equals=4)
            asyncio.run(drive(server, sent, REQUESTS))
            seen.append([server.scrape() for _ in range(8)])
            if recycled < RECYCLED:
                ended = server.workers()[recycled]
                os.kill(ended, signal.SIGTERM)
                until(lambda ended=ended: ended not in server.workers())
        yield sent, seen


@pytest.mark.long
def test_the_totals_are_what_was_sent_by_every_label_whichever_answers(run):
    sent, seen = run
    for scrape in seen[-1]:
        assert scrape.series("http_requests_total", *LABELS) == dict(sent)
        assert scrape.value("http_request_duration_seconds_count") == sum(sent.values())


def test_a_total_never_falls(run):
    totals = [scrape.value("http_requests_total") for scrapes in run[1] for scrape in scrapes]
    assert totals == sorted(totals)
    assert totals[0] == REQUESTS


def test_gauges_are_of_live_workers(run):
    last = run[1][-1][-1]
    assert last.value("http_concurrent_connections") == 0
    assert last.value("system_info") == 1
