"""The workers of one server, any of which answers scrapes for all of them.

Each worker keeps its counts in a segment that the others read without its help. Its gauges and exemplars are in a file
that it writes when another worker connects to its socket. A worker is alive as long as its segment is locked. Counts of
ended workers are moved to one file, by any worker, one at a time. Nobody ever waits for a lock.
"""

import fcntl
import json
import os
import selectors
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from prometheus_client import Metric as PrometheusMetric

from .._background import in_forked_child
from .._beside import garbage_kept, short_turns
from .._guard import fault, guarded
from .._storage import Storage
from ._application import ApplicationFamily
from ._collector import ContractCollector, untaken
from ._gauges import combined, snapshot
from ._segment import MOST_BYTES, Record, Segment, packed, records, returned_ns
from ._shared_directory import SharedDirectory, shared_directory
from ._totals import (
    Exemplars,
    SeriesValue,
    Totals,
    add_records,
    application_series,
    application_totals,
    bounded,
    cumulative_series,
    metrics_data,
)

_APART = (
    "this worker has no directory to share with the others: "
    "set WXIAI_OTEL_WORKERS_FOLDER to a writable directory, or to none if there is one worker"
)
_RETURNING = "the directory of the workers was removed; they return to it within seconds"

_ENDED = "ended.values"
_VALUES = ".values"
_GAUGES = ".gauges"
_SOCKET = ".sock"
_MOST_GAUGES_BYTES = 1 << 22
# A worker that does not answer in time is shown with its last gauges.
_ANSWER_SECONDS = 1.0
_SCRAPE_SECONDS = 2.0
# Between two looks at the directory. A removed directory is complete after two.
_LOOK_SECONDS = 1.5
_PUBLISH_SECONDS = 10.0
_TOUCH_SECONDS = 600.0


class Workers:
    """This process among the workers of its server.

    Parameters:
        named: The setting workers_folder.
        instance: The service.instance.id of this process.
        storage: The counts of this process.
        collect: Returns what the SDK collects of this process.
        application: Returns the families of `prometheus_client`.
        max_series: The setting max_series.
    """

    def __init__(
        self,
        named: str,
        instance: str,
        storage: Storage,
        collect: Callable[[], MetricsData | None],
        application: Callable[[], Iterable[ApplicationFamily]],
        max_series: int,
    ) -> None:
        self._named = named
        self._instance = instance
        self._storage = storage
        self._collect = collect
        self._application = application
        self._max_series = max_series
        self._directory: SharedDirectory | None = None
        self._closed = False
        self._published = 0.0
        self._touched = time.monotonic()
        self._last_ended = b""
        self._last_version: object = None
        guarded("workers.join")(self._join)()
        threading.Thread(target=self._run, name="wxiai-otel-workers", daemon=True).start()
        in_forked_child(self._close)

    def merged(self) -> list[PrometheusMetric]:
        """Return the metrics of all workers.

        Raises:
            OSError: The directory cannot be used; or it was removed, and not all workers have returned.
            TimeoutError: The directory changes or grows too fast.
        """
        deadline = time.monotonic() + _SCRAPE_SECONDS
        if (directory := self._directory) is None:
            raise FileNotFoundError(_APART)
        if directory.is_removed():
            raise FileNotFoundError(_RETURNING)
        self._ask(directory, deadline)
        totals, instances = self._read(directory, deadline)
        exemplars: Exemplars = {}
        gauges = []
        application = []
        for worker in filter(None, (_gauges_of(directory, member) for member in instances)):
            gauges.append((worker["instance"], worker["gauges"]))
            application.append((worker["instance"], worker["application"]))
            for key, samples in worker["exemplars"]:
                exemplars.setdefault(key.encode(), []).extend(samples)
        totals = bounded(totals, self._max_series)
        found = list(ContractCollector(metrics_data(totals, exemplars)).collect()) + combined(gauges)
        return [*found, *untaken([*application_totals(totals), *combined(application)], found)]

    def leave(self) -> None:
        """Write what this process has counted for the last time. The other workers keep it."""
        guarded("workers.leave")(self._publish)()
        if self._directory is not None:
            self._directory.remove(self._member + _GAUGES)
            self._directory.remove(self._member + _SOCKET)
        self._closed = True
        # Closing does not wake the thread. A forked child must not do this: it shuts down the parent's socket.
        with suppress(OSError, AttributeError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._storage.share(None)
        self._close()

    def _close(self) -> None:
        # In a forked child too: it would keep the parent's locks.
        self._closed = True
        if (directory := self._directory) is not None:
            self._directory = None
            self._segment.close()
            self._server.close()
            directory.close()

    def _join(self, returned: int = 0) -> None:
        directory = shared_directory(self._named)
        # Several workers have one instance if the environment names it.
        member = uuid.uuid4().hex
        server = socket.socket(socket.AF_UNIX)
        try:
            segment = Segment(directory, member + _VALUES, returned)
            server.settimeout(_LOOK_SECONDS)
            server.bind(directory.address(member + _SOCKET))
            server.listen(64)
        except BaseException:
            server.close()
            directory.close()
            raise
        self._member, self._server, self._segment = member, server, segment
        self._shared: dict[bytes, Any] = {}
        self._storage.share(segment)
        self._directory = directory

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
        directory = self._directory
        if directory is None:
            self._join()
        elif directory.is_removed():
            self._directory = None
            self._segment.close()
            self._server.close()
            directory.close()
            self._join(time.monotonic_ns())
            self._publish()
        elif (now := time.monotonic()) - self._published > _PUBLISH_SECONDS:
            self._publish()
            self._storage.share(self._segment)
            if now - self._touched > _TOUCH_SECONDS:
                self._touched = now
                directory.touch()
        if (directory := self._directory) is not None:
            _fold(directory, self._max_series, self._last_ended)
            if (version := directory.version(_ENDED)) not in (None, self._last_version):
                self._last_ended, self._last_version = directory.read(_ENDED, MOST_BYTES), version

    def _answer(self) -> None:
        """Wait for workers that ask, and write the gauges for all of them at once."""
        with suppress(TimeoutError):
            asking = [self._server.accept()[0]]
            try:
                self._server.settimeout(0)
                with suppress(BlockingIOError):
                    while True:
                        asking.append(self._server.accept()[0])
                self._publish()
            finally:
                self._server.settimeout(_LOOK_SECONDS)
                for client in asking:
                    client.close()

    def _publish(self) -> None:
        """Write what only this process can collect: meters, gauges, exemplars, and the application's own metrics."""
        if (directory := self._directory) is None:
            return
        with short_turns, garbage_kept:
            self._published = time.monotonic()
            exemplars = [(key, samples) for key, samples in self._storage.exemplars()]
            collected, gauges = self._collect(), []
            for resource in collected.resource_metrics if collected is not None else ():
                for scope in resource.scope_metrics:
                    rest = [m for m in scope.metrics if not self._share(cumulative_series(scope.scope, m))]
                    gauges.append(ScopeMetrics(scope.scope, rest, ""))
            data = MetricsData([ResourceMetrics(Resource.get_empty(), gauges, "")])
            own = [family for family in self._application() if not self._share(application_series(family))]
            content = {
                "instance": self._instance,
                "gauges": snapshot(ContractCollector(data).collect()),
                "application": snapshot(own),
                "exemplars": [(key.decode(), samples) for key, samples in exemplars],
            }
            with suppress(OSError):  # a full disk: the last gauges are shown
                directory.write(self._member + _GAUGES, json.dumps(content).encode())

    def _share(self, series: list[SeriesValue] | None) -> bool:
        """Copy series that only this process can collect to its segment. Return whether they are counts."""
        for key, start_ns, total, counts in series or ():
            cells = self._shared.get(key)
            if cells is None:
                cells = self._shared[key] = self._segment.allocate(key, 2 + len(counts), start_ns)
            if cells is not None:
                cells[0] = total
                for place, value in enumerate(counts, 2):
                    cells[place] = value
        return series is not None

    def _ask(self, directory: SharedDirectory, deadline: float) -> None:
        """Have each worker write its gauges, this one too; wait until they have, for a bounded time."""
        own = self._member + _SOCKET
        with selectors.DefaultSelector() as selector:
            for name in directory.names(_SOCKET):
                client = socket.socket(socket.AF_UNIX)
                client.setblocking(False)
                try:
                    if name == own:
                        raise BlockingIOError
                    client.connect(directory.address(name))
                    selector.register(client, selectors.EVENT_READ)
                except OSError:  # it has ended, or is busy with many who ask
                    client.close()
            guarded("workers.publish")(self._publish)()
            until = min(deadline, time.monotonic() + _ANSWER_SECONDS)
            try:
                while selector.get_map() and (left := until - time.monotonic()) > 0:
                    for key, _ in selector.select(left):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]
            finally:
                for key in [*selector.get_map().values()]:
                    key.fileobj.close()  # type: ignore[union-attr]

    def _read(self, directory: SharedDirectory, deadline: float) -> tuple[Totals, list[str]]:
        """Return the totals of all workers, and the names of live ones."""
        while time.monotonic() < deadline:
            before = directory.version(_ENDED)
            folded, totals, _ = _ended(directory.read(_ENDED, MOST_BYTES))
            live = []
            for member, fd, is_live in _members(directory):
                content = os.pread(fd, MOST_BYTES, 0)
                if returned_ns(content) > time.monotonic_ns() - 2e9 * _LOOK_SECONDS:
                    raise FileNotFoundError(_RETURNING)
                if member not in folded:
                    add_records(totals, records(content))
                if is_live:
                    live.append(member)
                if time.monotonic() > deadline:
                    raise TimeoutError("the workers have too many series to read them in time")
            # A worker that was folded meanwhile is either in both or in none.
            if directory.version(_ENDED) == before:
                return totals, live
        raise TimeoutError("workers end faster than they can be read")


def _members(directory: SharedDirectory) -> Iterator[tuple[str, int, bool]]:
    """Yield each worker's name, its open segment, and whether it is alive."""
    for name in directory.names(_VALUES):
        if name == _ENDED:
            continue
        try:
            fd = directory.open(name)
        except OSError:  # it was folded meanwhile, or is no file of this user
            continue
        try:
            yield name.removesuffix(_VALUES), fd, not _locked(fd, fcntl.LOCK_SH)
        finally:
            os.close(fd)


def _locked(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _gauges_of(directory: SharedDirectory, member: str) -> Any:
    """Return what a worker has written last; ``None`` if that is nothing."""
    with suppress(OSError, ValueError):
        return json.loads(directory.read(member + _GAUGES, _MOST_GAUGES_BYTES)) or None
    return None


def _ended(content: bytes) -> tuple[set[str], Totals, float]:
    """Return the names of folded workers whose files may still exist, the totals of all ended workers, and how many."""
    totals: Totals = {}
    add_records(totals, records(content))
    folded = next((key for key in totals if key.startswith(b'["folded"')), None)
    if folded is None:
        return set(), totals, 0
    ended = totals.pop(folded).sums[0]
    return set(json.loads(folded)[1]), totals, ended


def _fold(directory: SharedDirectory, max_series: int, known: bytes = b"") -> None:
    """Move the counts of ended workers to one file, unless another worker does that at the moment.

    Parameters:
        directory: The directory.
        max_series: The setting max_series.
        known: What that file contained earlier: it may have been removed.
    """
    with suppress(BlockingIOError), _alone(directory):
        folded, totals, ended = _ended(directory.read(_ENDED, MOST_BYTES))
        if restored := _ended(known)[2] > ended:
            folded, totals, ended = _ended(known)
        gone = []
        for member, fd, is_live in _members(directory):
            if not is_live:
                gone.append(member)
                if member not in folded:
                    ended += 1
                    add_records(totals, records(os.pread(fd, MOST_BYTES, 0)))
        if gone or restored:
            # They are named there, because this process may be killed before it removes their files.
            names = Record(json.dumps(["folded", gone]).encode(), 0, 0, [ended, 0.0])
            kept = [total.record(key) for key, total in bounded(totals, max_series).items()]
            directory.write(_ENDED, packed([names, *kept]))
        for name in directory.names():
            # Workers, and this one's predecessors, may be killed while they write a file.
            if name.startswith((*gone, _ENDED + ".")):
                directory.remove(name)


@contextmanager
def _alone(directory: SharedDirectory) -> Iterator[None]:
    fd = directory.open("lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)
