"""With several workers the application's own prometheus_client metrics are those of all, as far as that can be said."""

import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.uvicorn import Server, uvicorn
from tests.until import until

pytestmark = pytest.mark.long


class Shop:
    """Two workers that both have sold.

    Parameters:
        server: Their server.
    """

    def __init__(self, server: Server) -> None:
        self.scrape = server.scrape
        self._server = server
        self.sold = 0
        self.sell()

    def workers(self) -> list[int]:
        """The processes that serve: another child of uvicorn's is multiprocessing's resource tracker."""
        pid = self._server.process.pid
        found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [pid for pid in found if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def has_two(self) -> bool:
        return len(self.scrape().series("own_shared_total", "instance")) == 2

    def sell(self) -> None:
        """Sell as much of both kinds until both workers have sold: the kernel gives a connection to either."""
        until(self.has_two)
        until(self._has_sold_by_both)

    def sell_both_kinds(self) -> None:
        for kind in ("book", "pen"):
            urllib.request.urlopen(f"{self._server.url}/sell/{kind}", timeout=10).close()
            self.sold += 1

    def _has_sold_by_both(self) -> bool:
        self.sell_both_kinds()
        return self.scrape().series("own_open") == {(): 4}


@pytest.fixture(scope="module", params=["one by one", "with PROMETHEUS_MULTIPROC_DIR"])
def shop(request, tmp_path_factory) -> Iterator[Shop]:
    env = {} if request.param == "one by one" else {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path_factory.mktemp("multi"))}
    with uvicorn("tests.coexistence.served:app", "--workers", "2", env=env) as server:
        yield Shop(server)


def test_whichever_answers_counters_and_histograms_are_of_all_workers(shop):
    for _ in range(6):
        seen = shop.scrape()
        assert seen.series("own_sold_total", "kind") == {("book",): shop.sold / 2, ("pen",): shop.sold / 2}
        assert seen.value("own_seconds_bucket", le="1.0") == shop.sold
        assert seen.value("own_seconds_sum") == shop.sold / 2


def test_gauges_add_up_as_their_multiprocess_mode_says_else_each_worker_has_its_own(shop):
    seen = shop.scrape()
    assert seen.series("own_largest") == {(): 7}
    assert seen.series("own_open") == {(): 4}
    assert list(seen.series("own_ready", "instance").values()) == [1, 1]


def test_what_a_collector_of_its_own_gives_is_never_added_up(shop):
    assert list(shop.scrape().series("own_shared_total", "instance").values()) == [42, 42]


def test_a_worker_that_ends_leaves_its_counts_and_nothing_else(shop):
    for _ in range(10):  # no scrape shows them before a worker ends
        shop.sell_both_kinds()
    ended = shop.workers()[0]
    os.kill(ended, signal.SIGTERM)
    until(lambda: ended not in shop.workers())
    until(shop.has_two)

    seen = shop.scrape()
    assert sum(seen.series("own_sold_total", "kind").values()) == shop.sold
    assert len(seen.series("own_shared_total", "instance")) == 2
    shop.sell()
