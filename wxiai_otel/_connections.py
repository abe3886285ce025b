"""Exporters that outlive a fork and a receiver that is away, and say what has become of what they were given.

A forked child that went on with its parent's connection would read answers to its parent, and gRPC's does not work
there at all. And the SDK's exporters try for ten seconds: what they were given is lost then, in the order in which it
was recorded, however much room there is for what is recorded meanwhile.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, Generic, TypeVar

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from ._background import in_forked_child
from ._beside import short_turns
from ._deadline import left
from ._guard import LOG_INTERVAL_SECONDS, fault, guarded
from ._otlp_answers import Rejection, noting_rejections
from ._reentry import Flag

# How long an export is retried while the receiver does not answer.
PATIENCE_SECONDS = 600.0
# Immediate refusals before items are dropped: they concern the items, not the state of the receiver.
REFUSALS = 5
AT_ONCE_SECONDS = 0.5
PAUSE_SECONDS = (1.0, 5.0)
# The SDK's default, for a shutdown without a deadline.
_SHUTDOWN_SECONDS = 30.0

E = TypeVar("E")

logger = logging.getLogger("wxiai_otel")

_ITEMS = {"traces": "spans", "metrics": "data points", "logs": "log records"}


class Connection(Generic[E]):
    """The exporter that this process has of a signal.

    Parameters:
        signal: ``traces``, ``metrics`` or ``logs``.
        made: The exporter.
        make: Makes another one.
    """

    def __init__(self, signal: str, made: E, make: Callable[[], E | None]) -> None:
        self.signal = signal
        self._make = make
        self._exporter: E | None = made
        self._begin()
        in_forked_child(self._begin_alone)

    @classmethod
    def of(cls, signal: str, make: Callable[[], E | None]) -> "Connection[E] | None":
        """A connection with the exporter that is made; ``None`` where none is."""
        made = make()
        return None if made is None else cls(signal, made, make)

    def _begin(self) -> None:
        self.outcomes = {"success": 0, "failed": 0}
        self.seconds = 0.0
        self.dropped = 0
        self.rejected = 0
        self._warned_at = -LOG_INTERVAL_SECONDS
        self._ended = Flag()

    def _begin_alone(self) -> None:
        # To close it here could hang.
        self._inherited, self._exporter = self._exporter, None
        self._begin()

    @property
    def exporter(self) -> E:
        """The exporter of this process, made where there is none yet."""
        if self._exporter is None and (made := self._make()) is not None:
            self._exporter = made
        if self._exporter is None:
            raise RuntimeError(f"there is no exporter of {self.signal} in this process")
        return self._exporter

    def once(self, export: Callable[[E], Any], count: Callable[[], int]) -> bool:
        """Export once; count the attempt, its duration and rejected items.

        Parameters:
            export: Sends with the given exporter and returns its result.
            count: Returns the number of items.

        Returns:
            Whether the export succeeded.
        """
        return self._try(export, count)[0]

    def again(self, export: Callable[[E], Any], items: int) -> bool:
        """Export as `once`, and retry while a retry may succeed, at most `PATIENCE_SECONDS`. Later exports wait.

        Parameters:
            export: Sends with the given exporter and returns its result.
            items: Number of items, which are dropped if all attempts fail.

        Returns:
            Whether an attempt succeeded.
        """
        until = monotonic() + left(PATIENCE_SECONDS)
        refusals, pause = 0, PAUSE_SECONDS[0]
        while True:
            began = monotonic()
            good, rejected = self._try(export, lambda: items)
            # The receiver would reject the same items again.
            if good or rejected:
                return good
            now = monotonic()
            refusals += now - began < AT_ONCE_SECONDS
            if refusals >= REFUSALS or now >= until or self._ended.wait(min(pause, until - now)):
                self.dropped += items
                return False
            pause = min(2 * pause, PAUSE_SECONDS[1])

    def _try(self, export: Callable[[E], Any], count: Callable[[], int]) -> tuple[bool, bool]:
        """Export once. Return whether it succeeded, and whether the receiver rejected all items."""
        began = monotonic()
        good = rejected = False
        try:
            with short_turns, _by_deadline(self.exporter), noting_rejections() as rejections:
                good = bool(export(self.exporter).name == "SUCCESS")
            rejected = bool(rejections) and self._reject(rejections, count())
            good = good and not rejected
        except Exception:  # noqa: BLE001 - counted as a failed export
            # The gRPC exporter raises if it is closed while it sends, e.g. at exit while the receiver is away.
            if not self._ended.is_set():
                fault(f"export.{self.signal}")
        finally:
            self.outcomes["success" if good else "failed"] += 1
            self.seconds += monotonic() - began
        return good, rejected

    def _reject(self, rejections: Sequence[Rejection], items: int) -> bool:
        """Count and log rejected items. Return whether the receiver rejected all of them."""
        rejected = min(sum(rejection.items for rejection in rejections), items)
        self.rejected += rejected
        now = monotonic()
        if now - self._warned_at >= LOG_INTERVAL_SECONDS:
            self._warned_at = now
            message = next((rejection.message for rejection in rejections if rejection.message), "no reason given")
            if rejected:
                logger.warning(
                    "The OTLP receiver rejected %d of %d %s: %s", rejected, items, _ITEMS[self.signal], message
                )
            else:
                logger.warning("The OTLP receiver accepted all %s with a warning: %s", _ITEMS[self.signal], message)
        return 0 < items <= rejected

    def end(self) -> None:
        """Try nothing again."""
        self._ended.set()

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        """Try nothing again, and shut the exporter down, with what its own method takes."""
        self.end()
        shutdown: Callable[..., None] = self.exporter.shutdown  # type: ignore[attr-defined] # each exporter has one
        shutdown(*args, **kwargs)


@contextmanager
def _by_deadline(exporter: Any) -> Iterator[None]:
    """Shorten an exporter's timeout to the deadline of the current work. OTLP exporters have no public way to do so."""
    seconds = getattr(exporter, "_timeout", None)
    if not isinstance(seconds, int | float) or (allowed := left(seconds)) >= seconds:
        yield
        return
    exporter._timeout = allowed  # noqa: SLF001 - see above
    try:
        yield
    finally:
        exporter._timeout = seconds  # noqa: SLF001


class Spans(SpanExporter):
    """Sends spans again until they have arrived.

    Parameters:
        connection: Where to.
    """

    def __init__(self, connection: Connection[SpanExporter]) -> None:
        self._connection = connection

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter.export`."""
        good = self._connection.again(lambda exporter: exporter.export(spans), len(spans))
        return SpanExportResult.SUCCESS if good else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """See `SpanExporter.shutdown`."""
        self._connection.shutdown()


class Metrics(MetricExporter):
    """Sends metrics once: the next ones say the same and more.

    Parameters:
        connection: Where to.
    """

    def __init__(self, connection: Connection[MetricExporter]) -> None:
        made = connection.exporter
        super().__init__(made._preferred_temporality, made._preferred_aggregation)  # noqa: SLF001 - readers ask so too
        self._connection = connection

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """See `MetricExporter.export`."""
        good = self._connection.once(
            lambda exporter: exporter.export(metrics_data, timeout_millis, **kwargs), lambda: _points(metrics_data)
        )
        return MetricExportResult.SUCCESS if good else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """See `MetricExporter.force_flush`."""
        return self._connection.exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """See `MetricExporter.shutdown`."""
        self._connection.shutdown(timeout_millis, **kwargs)


def _points(data: MetricsData) -> int:
    return sum(
        len(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def wakes_without_lock(processor: Any) -> None:
    """Replace the event of an SDK batch processor by a `Flag`: setting an event holds a lock."""
    batch: Any = getattr(processor, "_batch_processor", None)
    before = getattr(batch, "_worker_awaken", None)
    if before is not None:
        batch._worker_awaken = Flag()  # noqa: SLF001 - no public way
        before.set()  # wakes the thread, which then waits for the flag


class SpanQueue(BatchSpanProcessor):
    """The spans that wait to be sent, of which the oldest is dropped where there is no more room.

    Parameters:
        exporter: Sends them.
        size: How many may wait; ``None``: as the environment says.
    """

    def __init__(self, exporter: SpanExporter, size: int | None) -> None:
        super().__init__(exporter, max_queue_size=size)
        wakes_without_lock(self)
        self.dropped = 0
        in_forked_child(self._begin_alone)

    def _begin_alone(self) -> None:
        # The SDK creates another event in the child.
        wakes_without_lock(self)
        self.dropped = 0

    def on_end(self, span: ReadableSpan) -> None:
        """See `SpanProcessor.on_end`."""
        if self.usage() >= 1 and span.context is not None and span.context.trace_flags.sampled:
            self.dropped += 1
        super().on_end(span)

    def shutdown(self) -> None:
        """Export queued spans, by the deadline of the current work."""
        self._batch_processor.shutdown(int(left(_SHUTDOWN_SECONDS) * 1000))

    def usage(self) -> float:
        """The share of the room that is in use."""
        queue = self._batch_processor._queue  # noqa: SLF001 - there is no public way to ask
        return len(queue) / (queue.maxlen or 1)


class Sending:
    """What is sent in this process: the connections, and what waits for them."""

    def __init__(self) -> None:
        self._connections: list[Connection[Any]] = []
        self.spans: SpanQueue | None = None

    def connect(self, signal: str, make: Callable[[], E | None]) -> Connection[E] | None:
        """A connection for a signal; ``None`` where there is nowhere to send it."""
        connection = guarded(f"exporter.{signal}")(Connection.of)(signal, make)
        if connection is not None:
            self._connections.append(connection)
        return connection

    def end(self) -> None:
        """Try nothing again."""
        for connection in self._connections:
            connection.end()

    def observe_exports(self) -> Iterator[tuple[tuple[str, str], float]]:
        """How many exports there were, by signal and outcome."""
        for connection in self._connections:
            for outcome, count in connection.outcomes.items():
                yield (connection.signal, outcome), count

    def observe_seconds(self) -> Iterator[tuple[tuple[str], float]]:
        """How long they have taken, by signal."""
        for connection in self._connections:
            yield (connection.signal,), connection.seconds

    def observe_dropped(self) -> Iterator[tuple[tuple[str, str], float]]:
        """Yield the number of items that were not delivered, by signal and reason."""
        for connection in self._connections:
            yield (connection.signal, "rejected"), connection.rejected
            if connection.signal != "metrics":
                yield (connection.signal, "not_sent"), connection.dropped
        if self.spans is not None:
            yield ("traces", "queue_full"), self.spans.dropped

    def observe_usage(self) -> Iterator[tuple[tuple[()], float]]:
        """How full the queue of spans is."""
        if self.spans is not None:
            yield (), self.spans.usage()
