"""The fixture's value: what an application's telemetry says since the test has begun."""

from contextlib import ExitStack

from .. import _runtime, _under_test
from ..alerting._message import Alert
from ._clock import Clock, frozen
from ._spans import Collector, Span, the_only
from ._values import Histogram, Reading, UnknownTelemetry, Value

# Nothing is waited for: it is all in memory.
_SETTLE_SECONDS = 5.0

collector = Collector()


class TelemetryUnderTest:
    """What is counted and traced since the test has begun, by the names and labels that Prometheus shows.

    Parameters:
        at_end: Is closed when the test ends.
    """

    def __init__(self, at_end: ExitStack) -> None:
        self._at_end = at_end
        self._clock: Clock | None = None
        self._began_in = _runtime._runtime  # noqa: SLF001 - the fixture is this package's
        if self._began_in is not None and not _under_test.is_attached(self._began_in.providers.tracer_provider):
            raise UnknownTelemetry(
                "telemetry was set up before this test, and not for tests: remove wxiai_otel_live from pytest's "
                "configuration, or set up in the test"
            )
        self._before: Reading | None = None
        if self._began_in is not None:
            self._before = self._read()
        at_end.enter_context(collector.keeping())
        self._alerts = at_end.enter_context(_under_test.keeping_alerts())

    def counter(self, name: str, **labels: object) -> Value:
        """How much a counter has counted, in all series that have these labels.

        Parameters:
            name: As Prometheus shows it, such as ``http_requests_total``.
            labels: Any of the metric's labels.

        Raises:
            UnknownTelemetry: There is no such counter, or it has no such label.
        """
        return self._read().counter(name, labels)

    def gauge(self, name: str, **labels: object) -> float | None:
        """What a gauge shows now; ``None`` where it shows nothing. See `counter`."""
        return self._read().gauge(name, labels)

    def histogram(self, name: str, **labels: object) -> Histogram:
        """What a histogram has observed, in all series that have these labels. See `counter`."""
        return self._read().histogram(name, labels)

    def span(self, name: str) -> Span:
        """The only span of this name that has ended.

        Raises:
            UnknownTelemetry: There is none, or there are several.
        """
        return the_only(self.spans(), name, "in this test")

    def spans(self, name: str | None = None) -> list[Span]:
        """The spans that have ended, in the order of their start.

        Parameters:
            name: Of all of them; ``None``: whatever they are called.
        """
        ended = sorted(collector.spans, key=lambda span: span.start_time or 0)
        return [Span(span, ended) for span in ended if name in (None, span.name)]

    def alerts(self, name: str | None = None) -> list[Alert]:
        """The alerts that the application has sent by `send_business_alert`; under test nobody is told.

        Parameters:
            name: Of all of them; ``None``: whatever they are called.
        """
        return [alert for alert in self._alerts if name in (None, alert.name)]

    def freeze_clock(self) -> Clock:
        """Have durations measured by a clock that stands still until the test moves it, until the test ends."""
        if self._clock is None:
            self._clock = self._at_end.enter_context(frozen())
        return self._clock

    def _read(self) -> Reading:
        runtime = _runtime._runtime  # noqa: SLF001 - as above
        if runtime is None:
            raise UnknownTelemetry("nothing is counted: setup_telemetry was not called, or is disabled")
        if runtime.watch is not None:
            runtime.watch.flush(_SETTLE_SECONDS)
        before = self._before if runtime is self._began_in else None
        return Reading(runtime.reader.families(), before)
