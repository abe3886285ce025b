"""With several workers the application's own prometheus_client metrics are those of all, as far as that can be said."""

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.uvicorn import Server, uvicorn

REQUESTS = 60


def workers(server: Server) -> list[int]:
    """The processes that serve: another child of uvicorn's is multiprocessing's resource tracker."""
    pid = server.process.pid
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid for pid in found if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def sell(server: Server) -> None:
    """Requests over connections of their own, which the kernel spreads."""
    for number in range(REQUESTS):
        urllib.request.urlopen(f"{server.url}/sell/{('book', 'pen')[number % 2]}", timeout=10).close()


@pytest.fixture(scope="module", params=["one by one", "with PROMETHEUS_MULTIPROC_DIR"])
def server(request, tmp_path_factory) -> Iterator[Server]:
    env = {} if request.param == "one by one" else {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path_factory.mktemp("multi"))}
    with uvicorn("tests.coexistence.served:app", "--workers", "2", env=env) as found:
        deadline = time.monotonic() + 60
        while len(found.scrape().series("own_shared_total", "instance")) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        sell(found)
        yield found


def test_whichever_answers_counters_and_histograms_are_of_all_workers(server):
    for _ in range(6):
        seen = server.scrape()
        assert seen.series("own_sold_total", "kind") == {("book",): REQUESTS / 2, ("pen",): REQUESTS / 2}
        assert seen.value("own_seconds_bucket", le="1.0") == REQUESTS
        assert seen.value("own_seconds_sum") == REQUESTS / 2


def test_gauges_add_up_as_their_multiprocess_mode_says_else_each_worker_has_its_own(server):
    seen = server.scrape()
    assert seen.series("own_largest") == {(): 7}
    assert seen.series("own_open") == {(): 4}
    assert list(seen.series("own_ready", "instance").values()) == [1, 1]


def test_what_a_collector_of_its_own_gives_is_never_added_up(server):
    assert list(server.scrape().series("own_shared_total", "instance").values()) == [42, 42]


def test_a_worker_that_ends_leaves_its_counts_and_nothing_else(server):
    ended = workers(server)[0]
    os.kill(ended, signal.SIGTERM)
    deadline = time.monotonic() + 60
    while ended in workers(server) or len(server.scrape().series("own_shared_total", "instance")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    seen = server.scrape()
    assert sum(seen.series("own_sold_total", "kind").values()) == REQUESTS
    assert len(seen.series("own_shared_total", "instance")) == 2
