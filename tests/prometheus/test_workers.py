"""Workers that share a directory: totals never go back, whatever happens to its files."""

import shutil
from collections import Counter

import pytest

from tests.clock import Clock
from tests.prometheus.internals import Storage, _workers
from wxiai_otel.catalogue import BY_NAME

LOOK_SECONDS = _workers._LOOK_SECONDS
RETURN_SECONDS = 5
REMOVALS = ["directory", "files", "own", "other", "ended"]


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> Clock:
    """The clock of workers that look at the directory only when the test has them do so."""
    clock = Clock()
    monkeypatch.setattr(_workers, "time", clock)
    monkeypatch.setattr(_workers, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(_workers.Workers, "_run", lambda _: None)
    return clock


class Worker:
    """A worker, as one process would have it."""

    def __init__(self, directory) -> None:
        storage = Storage()
        self.sold = storage.recorder(BY_NAME["credits.purchased"], 100)
        self.calls = storage.recorder(BY_NAME["cache.operation.duration"], 100)
        self.workers = _workers.Workers(str(directory), "server", "worker", storage, lambda: None, tuple, 100)

    def record(self, times: int = 1) -> None:
        for _ in range(times):
            self.sold.record(1)
            self.calls.record(0.5, ("get",))

    def counts(self) -> dict[str, float]:
        """Show the totals of all workers."""
        found: Counter[str] = Counter()
        for family in self.workers.merged():
            for sample in family.samples:
                if sample.name in ("credits_purchased_total", "cache_operation_duration_seconds_count"):
                    found[sample.name.partition("_")[0]] += sample.value
        return dict(found)

    @property
    def name(self) -> str:
        return self.workers._me.name


@pytest.fixture
def start(tmp_path):
    workers = []

    def make() -> Worker:
        workers.append(Worker(tmp_path / "shared"))
        return workers[-1]

    yield make
    for one in workers:
        one.workers.leave()


def counts_or_nothing(worker):
    try:
        return worker.counts()
    except OSError:
        return None


def both(number: float) -> dict[str, float]:
    return {"credits": number, "cache": number}


@pytest.mark.parametrize("other_looks_first", [False, True])
@pytest.mark.parametrize("late", [0, 0.5, 0.9])
@pytest.mark.parametrize("removal", REMOVALS)
def test_totals_are_the_same_after_files_are_removed_and_never_less_meanwhile(
    start, clock, tmp_path, removal, late, other_looks_first
):
    one, other, gone = start(), start(), start()
    for worker, times in ((one, 1), (other, 2), (gone, 3)):
        worker.record(times)
    gone.workers.leave()
    shared = tmp_path / "shared"
    for worker in (one, other):
        worker.workers._look()
    assert one.counts() == other.counts() == both(6)
    if removal == "directory":
        shutil.rmtree(shared)
    for path in shared.iterdir() if removal == "files" else ():
        path.unlink()
    named = {"own": f"{one.name}.values", "other": f"{other.name}.values", "ended": "ended.values"}
    if removal in named:
        (shared / named[removal]).unlink()
    removed = clock.now
    looks = {one: removed, other: removed + late * LOOK_SECONDS}
    if other_looks_first:
        looks = {one: looks[other], other: looks[one]}
    seen = []
    while not seen or None in seen[-1]:
        assert clock.now < removed + RETURN_SECONDS
        seen.append((counts_or_nothing(one), counts_or_nothing(other)))
        clock.sleep(0.05)
        for worker, due in looks.items():
            if clock.now >= due:
                worker.workers._look()
                looks[worker] = clock.now + LOOK_SECONDS
    assert [found for pair in seen for found in pair if found not in (None, both(6))] == []
    one.record()
    assert other.counts() == both(7)


def test_a_damaged_publication_costs_only_the_gauges_of_its_worker(start, tmp_path):
    one, other = start(), start()
    other.record(2)
    path = tmp_path / "shared" / f"{other.name}.json"
    other.workers.publish = lambda: None
    for content in (b"[" * 1_000_000, b"[]", b"7", b"9" * 1_000_000, b"\0" * 1_000, b'{"gauges": [7], "exemplars": 7}'):
        path.write_bytes(content)
        assert one.counts() == both(2)


def test_a_worker_that_leaves_while_it_joins_is_not_counted_twice(start, tmp_path):
    one, other = start(), start()
    one.record()
    one.workers.leave()
    one.workers._join()
    assert one.workers._me is None
    assert other.counts() == both(1)


def test_a_worker_that_leaves_while_it_looks_is_not_one_that_returns(start, monkeypatch):
    one, other = start(), start()
    one.record()
    is_removed = _workers.Segment.is_removed

    def leave_first(segment):
        one.workers.leave()
        return is_removed(segment)

    with monkeypatch.context() as patched:
        patched.setattr(_workers.Segment, "is_removed", leave_first)
        one.workers._look()
    assert other.counts() == both(1)
