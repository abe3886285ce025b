"""One metric and one trace of our own, sent as the application's are, and looked for where they should arrive."""

import json
import time
import urllib.parse
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode, format_trace_id

from .._exporters import endpoints, metric_exporter, span_exporter
from .._version import SCOPE_NAME, VERSION
from ..catalogue import BY_NAME
from ..settings import Settings
from ._http import get, why
from ._instrumentation import warnings
from ._report import Report, State

SECTION = "pipeline"
SERVICE = "wxiai-otel-doctor"
# Its value is 0, and no alert needs it: a probe that comes and goes is no application that is down.
_INSTRUMENT = BY_NAME["wxiai_otel.faults"]
_METRIC = _INSTRUMENT.metrics[0].name
_PAUSE_SECONDS = 1.0
# More often than a Collector forgets.
_SEND_EVERY_SECONDS = 10.0
_OK = 200


class Probe:
    """What is sent. Its names and ids are its own, so that it is not taken for another's."""

    def __init__(self) -> None:
        self.instance = str(uuid.uuid4())
        self._resource = Resource.create({"service.name": SERVICE, "service.instance.id": self.instance})
        self.trace_id, self._spans = self._make_span()
        self._reader = InMemoryMetricReader()
        meter = MeterProvider([self._reader], resource=self._resource, shutdown_on_exit=False).get_meter(
            SCOPE_NAME, VERSION
        )
        meter.create_observable_counter(_INSTRUMENT.name, [_nothing_wrong], _INSTRUMENT.unit, _INSTRUMENT.description)

    def _make_span(self) -> tuple[str, Any]:
        kept = InMemorySpanExporter()
        provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(kept))
        span = provider.get_tracer(SCOPE_NAME, VERSION).start_span("wxiai-otel doctor")
        # A failed trace is kept by whoever samples.
        span.set_status(Status(StatusCode.ERROR, "a probe, which says nothing of any application"))
        span.end()
        return format_trace_id(span.get_span_context().trace_id), kept.get_finished_spans()

    def send_span(self, exporter: SpanExporter) -> bool:
        """Whether it was taken."""
        return exporter.export(self._spans) is SpanExportResult.SUCCESS

    def send_metric(self, exporter: MetricExporter) -> bool:
        """Whether it was taken."""
        data = self._reader.get_metrics_data()
        return data is not None and exporter.export(data) is MetricExportResult.SUCCESS


def _nothing_wrong(_options: CallbackOptions) -> list[Observation]:
    return [Observation(0, {"site": "doctor"})]


@dataclass(frozen=True, slots=True)
class _Search:
    name: str
    found: Callable[[], bool]
    hint: str


def send_and_find(
    report: Report, settings: Settings, prometheus: str | None, jaeger: str | None, seconds: float
) -> None:
    """Send a probe, and look for it until it is found or the time is over.

    Parameters:
        report: Is told.
        settings: The exporters and their endpoints.
        prometheus: Its URL; ``None``: the metric is not looked for.
        jaeger: Likewise of the trace.
        seconds: How long to look.
    """
    wanted = {"metrics": prometheus, "traces": jaeger}
    sent = endpoints(settings)
    if unsent := [signal for signal, url in wanted.items() if url is not None and signal not in sent]:
        message = f"no probe can be sent: {' and '.join(unsent)} go nowhere by OTLP; set OTEL_EXPORTER_OTLP_ENDPOINT"
        report.add(SECTION, "probe", State.FAILED, message)
        return
    probe = Probe()
    searches = []
    spans, metrics = span_exporter(settings), metric_exporter(settings)
    with warnings("opentelemetry") as said:
        if jaeger is not None and spans is not None and _sent(report, "trace", probe.send_span(spans), said):
            url = f"{jaeger.rstrip('/')}/api/traces/{probe.trace_id}"
            hint = "look at the Collector's log, and whether it exports traces there"
            searches.append(_Search("jaeger", lambda: _has_trace(url), hint))
        if prometheus is not None and metrics is not None and _sent(report, "metric", probe.send_metric(metrics), said):
            query = urllib.parse.urlencode({"query": f'{_METRIC}{{instance="{probe.instance}"}}'})
            asked = f"{prometheus.rstrip('/')}/api/v1/query?{query}"
            hint = "look at Prometheus' targets: is the Collector among them, and up?"
            searches.append(_Search("prometheus", lambda: _has_series(asked), hint))
        _look_for(report, searches, seconds, lambda: metrics is not None and probe.send_metric(metrics))
    for exporter in (spans, metrics):
        if exporter is not None:
            exporter.shutdown()


def _sent(report: Report, what: str, taken: bool, said: list[str]) -> bool:  # noqa: FBT001 - it is what was asked
    message = "was taken by the OTLP receiver" if taken else f"was refused: {'; '.join(said[-1:]) or 'no reason'}"
    report.add(SECTION, f"probe {what}", State.OK if taken else State.FAILED, message)
    return taken


def _look_for(report: Report, searches: list[_Search], seconds: float, send_again: Callable[[], object]) -> None:
    began = sent = time.monotonic()
    while searches:
        for search in list(searches):
            passed = time.monotonic() - began
            try:
                arrived, failure = search.found(), ""
            except (OSError, ValueError, KeyError) as error:
                arrived, failure = False, why(error)
            if arrived:
                report.add(SECTION, search.name, State.OK, f"has the probe, after {passed:.1f} s")
                searches.remove(search)
            elif failure or passed > seconds:
                message = failure and f"cannot be asked: {failure}"
                message = message or f"has no probe after {passed:.0f} s; {search.hint}"
                report.add(SECTION, search.name, State.FAILED, message)
                searches.remove(search)
        if searches:
            time.sleep(_PAUSE_SECONDS)
        if time.monotonic() - sent > _SEND_EVERY_SECONDS:
            sent = time.monotonic()
            send_again()


def _has_series(url: str) -> bool:
    answer = get(url)
    if answer.status != _OK:
        raise ValueError(f"it answers {answer.status}")
    return bool(json.loads(answer.body)["data"]["result"])


def _has_trace(url: str) -> bool:
    answer = get(url)
    # A trace that it does not have yet is a 404.
    return answer.status == _OK and bool(json.loads(answer.body).get("data"))
