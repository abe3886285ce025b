"""The workers of one server, any of which answers scrapes for all of them.

Each worker keeps its counts in a segment that the others read without its help. What only the worker can collect it
publishes whenever another one writes to its pipe: the counts of meters to its segment, gauges and exemplars to a file.
"""

import json
import os
import select
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from prometheus_client import Metric as PrometheusMetric

from .._background import in_forked_child, paused_threads, resume
from .._beside import garbage_kept, short_turns
from .._guard import fault, guarded
from .._reentry import Serial
from .._storage import Storage
from ._application import ApplicationFamily
from ._collector import ContractCollector, untaken
from ._gauges import Families, add, combined, snapshot
from ._members import ENDED, VALUES, ended, fold, members, undisturbed
from ._segment import MOST_BYTES, Header, Segment, read, records
from ._shared_directory import SharedDirectory, shared_directory
from ._totals import (
    Exemplars,
    SeriesValue,
    Totals,
    add_exemplars,
    add_records,
    application_series,
    application_totals,
    bounded,
    cumulative_series,
    is_of_prometheus_client,
    metrics_data,
)

_APART = (
    "this worker has no directory to share with the others: "
    "set WXIAI_OTEL_WORKERS_FOLDER to a writable directory, or to none if there is one worker"
)
_RETURNING = "the directory of the workers was removed; they return to it within seconds"

_PUBLISHED = ".json"
_PIPE = ".pipe"
_MOST_PUBLISHED_BYTES = 1 << 21
_SCRAPE_SECONDS = 2.0
# A worker that does not answer in time is shown as it published last.
_ANSWER_SECONDS = 1.0
# A scrape waits this long for a worker that folds others.
_FOLD_SECONDS = 0.3
_PAUSE_SECONDS = 0.002
# Between two looks at the directory. After two, all workers have returned to one that was removed.
_LOOK_SECONDS = 1.0
_PUBLISH_SECONDS = 30.0
_TOUCH_SECONDS = 600.0

# Counts of prometheus_client that this process shared before telemetry was set up again.
_shared_before: dict[bytes, SeriesValue] = {}


class _Member:
    """The open files of a worker.

    Parameters:
        named: The setting workers_folder.
        server: The server of this worker.
        returned_ns: See `Segment`.

    Raises:
        OSError: The directory cannot be used, or there is no room.
    """

    def __init__(self, named: str, server: str, returned_ns: int = 0) -> None:
        # Several workers have one instance if the environment names it.
        self.name = uuid.uuid4().hex
        with ExitStack() as opened:
            self.directory = shared_directory(named, server)
            opened.callback(self.directory.close)
            self.segment = Segment(self.directory, self.name + VALUES, returned_ns)
            opened.callback(self.segment.close)
            # A file object: its number may be another file's once it is closed.
            self.pipe = opened.enter_context(os.fdopen(self.directory.pipe(self.name + _PIPE), "rb", 0))
            self.close = opened.pop_all().close


class _Seen(NamedTuple):
    """The workers in a directory: how many have ended, and the names of the others."""

    ended: float
    members: frozenset[str]


_NONE_SEEN = _Seen(0, frozenset())


class Workers:
    """This process among the workers of its server.

    Parameters:
        named: The setting workers_folder.
        server: The server of this worker.
        instance: The service.instance.id of this process.
        storage: The counts of this process.
        collect: Returns what the SDK collects of this process.
        application: Returns the families of `prometheus_client`.
        max_series: The setting max_series.
        is_forked: Whether meters and `prometheus_client` have counts of the parent.
    """

    def __init__(
        self,
        named: str,
        server: str,
        instance: str,
        storage: Storage,
        collect: Callable[[], MetricsData | None],
        application: Callable[[], Iterable[ApplicationFamily]],
        max_series: int,
        *,
        is_forked: bool = False,
    ) -> None:
        self._named = named
        self._server = server
        self._instance = instance
        self._storage = storage
        self._collect = collect
        self._application = application
        self._max_series = max_series
        self._me: _Member | None = None
        self._cells: dict[bytes, Any] = {}
        self._published = 0.0
        self._touched = time.monotonic()
        self._ended = b""
        self._ended_number = 0.0
        self._ended_version: object = None
        self._live: list[str] = []
        self._seen = _NONE_SEEN
        self._complete = 0.0
        self._publishing = Serial()
        self._folding = Serial()
        self._closed = False
        self._base = _shared_before.copy()
        self._shared: dict[bytes, SeriesValue] = {}
        if is_forked:
            guarded("workers.fork")(self._leave_to_parent)()
        guarded("workers.join")(self._join)()
        in_forked_child(self._close)
        paused_threads.append(threading.Thread(target=self._run, name="wxiai-otel-workers", daemon=True).start)
        resume()

    def merged(self) -> list[PrometheusMetric]:
        """Return the metrics of all workers.

        Raises:
            OSError: The directory cannot be used; or it was removed, and not all workers have returned.
            TimeoutError: There is too much to read, or it changes too fast.
        """
        if (me := self._me) is None:
            raise FileNotFoundError(_APART)
        if me.segment.is_removed():
            raise FileNotFoundError(_RETURNING)
        deadline = time.monotonic() + _SCRAPE_SECONDS
        self._ask(me, min(deadline, time.monotonic() + _ANSWER_SECONDS))
        totals = bounded(self._counted(me, deadline), self._max_series)
        exemplars: Exemplars = {}
        gauges: Families = {}
        application: Families = {}
        for name in self._live:
            worker = _published(me.directory, name)
            add_exemplars(exemplars, worker.get("exemplars"))
            add(gauges, worker.get("instance"), worker.get("gauges"))
            add(application, worker.get("instance"), worker.get("application"))
        self._fold(me)
        shown = [*ContractCollector(metrics_data(totals, exemplars)).collect(), *combined(gauges)]
        return [*shown, *untaken([*application_totals(totals), *combined(application)], shown)]

    def _counted(self, me: _Member, deadline: float) -> Totals:
        """Return the totals of all workers.

        Raises:
            OSError: Those of a worker cannot be read, or its file was removed: counters would go back.
        """
        before, self._seen = self._seen, _NONE_SEEN
        with self._folding.held(_FOLD_SECONDS) as held, ExitStack() as reading:
            if held:
                with suppress(OSError):  # a full disk: workers may be folded meanwhile, which is noticed
                    reading.enter_context(undisturbed(me.directory, _FOLD_SECONDS))
            totals, seen, self._live = _read(me.directory, deadline)
        # A file is missing, and no worker was folded: its worker returns after its next look.
        if seen.ended <= before.ended and not before.members <= seen.members:
            self._complete = time.monotonic() + 2 * _LOOK_SECONDS
        self._seen = seen
        if seen.ended < self._ended_number or time.monotonic() < self._complete or me.segment.is_removed():
            raise FileNotFoundError(_RETURNING)
        return totals

    def publish(self) -> None:
        """Publish what this process has counted."""
        # One at a time: an older publication must not replace a newer one.
        with self._publishing.held(_ANSWER_SECONDS) as held:
            if held and (me := self._me) is not None:
                self._publish_as(me)

    def leave(self) -> None:
        """Publish what this process has counted for the last time. The other workers keep it."""
        guarded("workers.leave")(self.publish)()
        _shared_before.update((key, one) for key, one in self._shared.items() if is_of_prometheus_client(key))
        self._storage.share(None)
        if (me := self._me) is not None:
            # No other worker asks from now on, or shows the gauges.
            me.directory.remove(me.name + _PIPE)
            me.directory.remove(me.name + _PUBLISHED)
        self._close()

    def _close(self) -> None:
        # In a forked child too: it would keep the parent's locks.
        self._closed = True
        me, self._me = self._me, None
        if me is not None:
            me.close()

    def _join(self, returned_ns: int = 0) -> None:
        if self._closed:  # a look that found the file closed, not removed
            return
        me = _Member(self._named, self._server, returned_ns)
        if self._closed:  # meanwhile
            me.close()
            return
        self._cells = {}
        self._storage.share(me.segment)
        self._me = me
        self._published = 0.0

    def _run(self) -> None:
        while not self._closed:
            try:
                self._look()
                self._answer()
            except Exception:  # noqa: BLE001 - the next look may do better
                if not self._closed:
                    fault("workers.look")
                    time.sleep(_LOOK_SECONDS)

    def _look(self) -> None:
        """Put right what others have done to the directory, and fold ended workers."""
        me, now = self._me, time.monotonic()
        if me is None:
            self._join()
        elif me.segment.is_removed():
            self._me = None
            me.close()
            self._join(time.monotonic_ns())
        if (me := self._me) is not None:
            if me.segment.is_short or now - self._published > _PUBLISH_SECONDS:
                me.segment.is_short = False
                # Series that found no room before.
                self._storage.share(me.segment)
                self.publish()
            if now - self._touched > _TOUCH_SECONDS:
                self._touched = now
                me.directory.touch()
            self._fold(me)
            if (version := me.directory.version(ENDED)) not in (None, self._ended_version):
                self._ended, self._ended_version = me.directory.read(ENDED, MOST_BYTES), version
                self._ended_number = ended(self._ended)[2]

    def _fold(self, me: _Member) -> None:
        with self._folding.held(0) as held, suppress(OSError):  # a full disk: later
            if held:
                fold(me.directory, self._max_series, self._ended)

    def _answer(self) -> None:
        """Wait until another worker asks, for a limited time, and publish."""
        if (me := self._me) is None:
            time.sleep(_LOOK_SECONDS)
            return
        asked = select.poll()
        asked.register(me.pipe, select.POLLIN)
        if asked.poll(_LOOK_SECONDS * 1000) and not self._closed:
            me.pipe.read(select.PIPE_BUF)
            self.publish()

    def _publish_as(self, me: _Member) -> None:
        with short_turns, garbage_kept, me.segment.publishing():
            self._published = time.monotonic()
            exemplars = [(key.decode(), samples) for key, samples in self._storage.exemplars()]
            collected, gauges = self._collect(), []
            for resource in collected.resource_metrics if collected is not None else ():
                for scope in resource.scope_metrics:
                    rest = [m for m in scope.metrics if not self._share(me, cumulative_series(scope.scope, m))]
                    gauges.append(ScopeMetrics(scope.scope, rest, ""))
            families = ContractCollector(MetricsData([ResourceMetrics(Resource.get_empty(), gauges, "")])).collect()
            content = {
                "instance": self._instance,
                "gauges": snapshot(families),
                "application": snapshot(f for f in self._application() if not self._share(me, application_series(f))),
                "exemplars": exemplars,
            }
            me.directory.write(me.name + _PUBLISHED, json.dumps(content).encode())

    def _leave_to_parent(self) -> None:
        """Count from here on: the parent reports what it has counted."""
        collected = self._collect()
        for resource in collected.resource_metrics if collected is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self._base.update((one.key, one) for one in cumulative_series(scope.scope, metric) or ())
        for family in self._application():
            self._base.update((one.key, one) for one in application_series(family) or ())

    def _share(self, me: _Member, series: list[SeriesValue] | None) -> bool:
        """Copy series that only this process can collect to its segment. Return whether they are counts."""
        for one in series or ():
            self._shared[one.key] = one
            key, start_ns, total, counts = one.since(base := self._base.get(one.key))
            cells = self._cells.get(key)
            if cells is None and (base is None or total or any(counts)):
                cells = self._cells[key] = me.segment.allocate(key, 2 + len(counts), start_ns)
            if cells is not None:
                cells[0] = total
                for place, value in enumerate(counts, 2):
                    cells[place] = value
        return series is not None

    def _ask(self, me: _Member, deadline: float) -> None:
        """Have all workers publish."""
        with ExitStack() as opened:
            asked = {}
            for name in me.directory.names(_PIPE):
                member = name.removesuffix(_PIPE)
                with suppress(OSError):  # it ended, or many have asked already
                    if member != me.name:
                        fd = opened.enter_context(me.directory.opened(member + VALUES))
                        before = Header.read(fd).started
                        me.directory.write_to_pipe(name)
                        asked[fd] = before
            guarded("workers.publish")(self.publish)()
            while asked and time.monotonic() < deadline:
                asked = {fd: before for fd, before in asked.items() if Header.read(fd).finished <= before}
                time.sleep(_PAUSE_SECONDS)


def _read(directory: SharedDirectory, deadline: float) -> tuple[Totals, _Seen, list[str]]:
    """Return the totals of all workers, which ones there are, and the names of live ones."""
    while time.monotonic() < deadline:
        before = directory.version(ENDED)
        folded, totals, number = ended(directory.read(ENDED, MOST_BYTES))
        live, others = [], []
        for member, fd, is_live in members(directory):
            if 0 <= time.monotonic_ns() - Header.read(fd).returned_ns < 2e9 * _LOOK_SECONDS:
                raise FileNotFoundError(_RETURNING)
            if member not in folded:
                others.append(member)
                add_records(totals, records(read(fd)))
            if is_live:
                live.append(member)
            if time.monotonic() > deadline:
                raise TimeoutError("the workers have too many series to read them in time")
        # A worker that was folded meanwhile may be in both or in none.
        if directory.version(ENDED) == before:
            return totals, _Seen(number, frozenset(others)), live
    raise TimeoutError("workers end faster than they can be read")


def _published(directory: SharedDirectory, member: str) -> dict[str, Any]:
    """Return what a worker published last; nothing if it has not."""
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(directory.read(member + _PUBLISHED, _MOST_PUBLISHED_BYTES))
        if isinstance(found, dict):
            return found
    return {}
