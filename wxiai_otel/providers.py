"""The OpenTelemetry SDK of one process: resource, tracer and meter provider, exporters, and their bounded end."""

import logging
import math
import os
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from opentelemetry import metrics, trace
from opentelemetry.sdk.environment_variables import (
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    OTEL_BSP_MAX_QUEUE_SIZE,
    OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    OTEL_TRACES_SAMPLER,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanLimits,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

from ._background import in_forked_child, side_by_side
from ._connections import Metrics, Sending, SpanQueue, Spans
from ._deadline import left, until
from ._exporters import log_exporter, metric_exporter, span_exporter
from ._globals import take_back
from ._guard import fault, guarded
from ._redaction import MARGIN, MAX_TEXT
from ._storage import Storage
from .foreign import BoundedMeterProvider
from .settings import Settings
from .tracing import MAX_EVENT_ATTRIBUTE, Outgoing, TailProcessor, TailSampler, WhenExported, spans_received

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider

logger = logging.getLogger("wxiai_otel")

# https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor
_USUAL_QUEUE_SIZE = 2048

# Maximum length of an attribute in characters, as in collector/traces.yaml.
_MAX_ATTRIBUTE = 4_096

# After whoever waits for a flush has stopped waiting.
_GRACE_SECONDS = 0.5
# The SDK's default, for a shutdown without a deadline.
_FINAL_SECONDS = 30.0

Provider: TypeAlias = "TracerProvider | MeterProvider | LoggerProvider"


def build_resource(settings: Settings, title: str, version: str) -> Resource:
    """The resource of this process: OTEL_RESOURCE_ATTRIBUTES, with the settings over it.

    Parameters:
        settings: service_name, service_version and environment, each where given.
        title: The application's title, the service name where none is given.
        version: The application's version, the service version where none is given.
    """
    given = _detected()
    attributes: dict[str, str] = {}
    named = given.attributes.get("service.name")
    if settings.service_name:
        attributes["service.name"] = settings.service_name
    elif not named or str(named).startswith("unknown_service"):
        attributes["service.name"] = title
    if settings.service_version or "service.version" not in given.attributes:
        attributes["service.version"] = settings.service_version or version
    if settings.environment or "deployment.environment.name" not in given.attributes:
        attributes["deployment.environment.name"] = settings.environment or "development"
    if "service.instance.id" not in given.attributes:
        attributes["service.instance.id"] = str(uuid.uuid4())
    return given.merge(Resource(attributes))


def _detected() -> Resource:
    try:
        return Resource.create({})
    except RuntimeError:
        # No thread can be started to run detectors. This one reads OTEL_RESOURCE_ATTRIBUTES.
        return Resource(OTELResourceDetector().detect().attributes)


@dataclass(slots=True)
class Providers:
    """The providers in use. Existing providers of the application are joined, and never shut down by us.

    Parameters:
        tracer_provider: Creates the spans.
        meter_provider: Creates the instruments.
        logger_provider: Exports log records; ``None`` if only the application does, or no exporter is configured.
        owned: The providers that we created.
        timeout: Seconds that the last export may take.
        tail: Decides which traces are kept; ``None`` if another component does.
        processors: The span processors, without which no span is recorded; ``None`` if they are unknown.
        sending: The export connections.
        exporting: Exports metrics; ``None`` without a metric exporter.
        turns: Locks for flushing, by process and provider.
    """

    tracer_provider: trace.TracerProvider
    meter_provider: BoundedMeterProvider
    logger_provider: "LoggerProvider | None"
    owned: list[Provider]
    timeout: float
    tail: TailProcessor | None
    processors: SynchronousMultiSpanProcessor | ConcurrentMultiSpanProcessor | None
    sending: Sending
    exporting: "ExportingReader | None" = None
    turns: dict[tuple[int, int], threading.Lock] = field(default_factory=dict)

    def receives_spans(self) -> bool:
        """Whether there is somebody who receives spans, as far as we know."""
        return spans_received(self.processors)

    @property
    def instance(self) -> str:
        """The service.instance.id of this process, which a forked child has anew."""
        config = self.meter_provider._sdk_config  # noqa: SLF001 - there is no public way to ask
        return str(config.resource.attributes["service.instance.id"])

    def force_flush(self, timeout: float | None = None) -> bool:
        """Export what is pending.

        Parameters:
            timeout: Seconds this may take; by default the setting shutdown_timeout.

        Returns:
            Whether all was exported in time.
        """
        seconds = self.timeout if timeout is None else timeout
        late: list[Provider] = []
        ended = side_by_side(seconds, [partial(self._flush, p, seconds, late) for p in self.owned])
        return ended and not late

    def _flush(self, provider: Provider, seconds: float, late: list[Provider]) -> None:
        # One flush may wait for an unreachable receiver. Others give up, so that threads do not accumulate.
        turn = self.turns.setdefault((os.getpid(), id(provider)), threading.Lock())
        if turn.acquire(timeout=left(seconds) + _GRACE_SECONDS):
            milliseconds = int(left(seconds) * 1000)
            deadline = time.monotonic() + milliseconds / 1000
            try:
                provider.force_flush(milliseconds)
            except Exception:
                # A meter provider raises when its time is up. That is no fault: the result reports it.
                if time.monotonic() < deadline:
                    raise
                late.append(provider)
            finally:
                turn.release()

    def shutdown(self, timeout: float | None = None) -> bool:
        """Export what is pending and end the exporters' threads.

        Parameters:
            timeout: Seconds this may take; by default the setting shutdown_timeout.

        Returns:
            Whether it ended in time.
        """
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        ended = side_by_side(seconds, [partial(self._shutdown, p, deadline) for p in self.owned])
        self.sending.end()
        for provider in self.owned:
            take_back(provider)
        return ended

    def _shutdown(self, provider: Provider, deadline: float) -> None:
        with until(deadline):
            if isinstance(provider, MeterProvider):
                # The provider skips readers if no time is left, and their threads would run forever.
                if self.exporting is not None:
                    self.exporting.shutdown(left(_FINAL_SECONDS) * 1000)
                provider.shutdown(timeout_millis=_FINAL_SECONDS * 1000)
            else:
                provider.shutdown()


def build_providers(
    settings: Settings, resource: Resource, readers: Sequence[MetricReader], storage: Storage
) -> Providers:
    """Make the providers, or join the tracer provider that the application already has.

    Parameters:
        settings: The exporters and their endpoints.
        resource: The resource of this process.
        readers: Further metric readers, the embedded endpoint's among them.
        storage: What is recorded there is exported beside what the SDK collects.
    """
    owned: list[Provider] = []
    sending = Sending()
    tracer_provider: trace.TracerProvider = trace.get_tracer_provider()
    tail = processors = None
    if sdk_tracer_provider(tracer_provider) is None:
        ours, tail = build_tracer_provider(settings, resource, sending)
        if not os.environ.get(OTEL_TRACES_SAMPLER):
            processors = ours._active_span_processor  # noqa: SLF001 - no public way
        owned.append(ours)
        tracer_provider = ours
        # Another's that is not the SDK's stays: to set ours would only be refused, with a warning.
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(ours)
    all_readers, exporting = [*readers], None
    if connection := sending.connect("metrics", lambda: metric_exporter(settings)):
        exporting = ExportingReader(Metrics(connection), settings.metric_export_interval, storage)
        all_readers.append(exporting)
    meter_provider = BoundedMeterProvider(all_readers, resource, settings)
    owned.append(meter_provider)
    if type(metrics.get_meter_provider()).__name__ == "_ProxyMeterProvider":
        metrics.set_meter_provider(meter_provider)
    logger_provider = None
    if (log_records := sending.connect("logs", lambda: log_exporter(settings))) is not None:
        from .logs._export import build_logger_provider

        logger_provider = build_logger_provider(log_records, resource)
        owned.extend([logger_provider] if logger_provider else [])
    return Providers(
        tracer_provider,
        meter_provider,
        logger_provider,
        owned,
        settings.shutdown_timeout,
        tail,
        processors,
        sending,
        exporting,
    )


def sdk_tracer_provider(provider: Any) -> TracerProvider | None:
    """The SDK's provider where this is one, or is wrapped around one, as logfire's is; ``None``: it is another's."""
    within = getattr(provider, "provider", provider)
    return within if isinstance(within, TracerProvider) else None


class ExportingReader(PeriodicExportingMetricReader):
    """Exports what is recorded in the storage beside what the SDK collects."""

    def __init__(self, exporter: MetricExporter, interval: float, storage: Storage) -> None:
        # Whoever scrapes the receiver at the same pace misses an export now and then: exemplars are in three of them.
        self._exemplar_seconds = 3 * interval
        self._storage = storage
        try:
            super().__init__(exporter, export_interval_millis=interval * 1000)
        except RuntimeError:
            # No thread can be started: only flushes and the last export export metrics.
            fault("metrics.start")
            super().__init__(exporter, export_interval_millis=math.inf)
        in_forked_child(self._unlock)

    def _unlock(self) -> None:
        # The parent may have been in the middle of an export, which takes long where the receiver hangs.
        self._export_lock = threading.Lock()

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Export once more and shut down. Further calls do nothing."""
        if self._shutdown:
            return
        if self._daemon_thread is None:
            guarded("metrics.last")(self.collect)(timeout_millis)
        super().shutdown(timeout_millis, **kwargs)

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        # What is raised here would end the SDK's exporting thread. The next export has all that this one lacks.
        added = guarded("metrics.collect")(self._storage.added_to)(metrics_data, self._exemplar_seconds)
        if added is not None:
            super()._receive_metrics(added, timeout_millis, **kwargs)


def build_tracer_provider(
    settings: Settings, resource: Resource, sending: Sending
) -> tuple[TracerProvider, TailProcessor | None]:
    """A tracer provider that exports as the settings say, and what decides in it which traces are kept.

    OTEL_TRACES_SAMPLER is obeyed where it is set, and nothing else decides then.
    """
    tail = None
    if os.environ.get(OTEL_TRACES_SAMPLER):
        provider = TracerProvider(resource=resource, shutdown_on_exit=False, span_limits=_limits())
    else:
        trust = settings.trust_parent_sampling
        if settings.tail_sampling == "process":
            tail = TailProcessor(
                settings.slow_request_seconds, settings.trace_buffer_seconds, settings.trace_buffer_spans
            )
        processors = tail or SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call] # upstream's has no types
        always = ParentBased(ALWAYS_ON) if trust else ALWAYS_ON
        sampler = TailSampler(tail, settings.trace_share, trust_parent=trust) if tail else always
        provider = TracerProvider(
            WhenExported(sampler, processors),
            resource,
            shutdown_on_exit=False,
            active_span_processor=processors,
            span_limits=_limits(),
        )
    if connection := sending.connect("traces", lambda: span_exporter(settings)):
        sending.spans = guarded("traces.start")(SpanQueue)(
            Outgoing(Spans(connection), _event_limit()), _queue_size(settings)
        )
        if sending.spans is not None:
            provider.add_span_processor(sending.spans)
    return provider, tail


def _limits() -> SpanLimits:
    """Return the length limits of attributes: those of the environment, or else of the Collector's redaction.

    Attributes of events and links may be longer by a margin: `Outgoing` cuts them after redaction.
    """
    limits = SpanLimits()
    if not os.environ.get(OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT) and not os.environ.get(
        OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT
    ):
        limits.max_span_attribute_length = _MAX_ATTRIBUTE
    limits.max_attribute_length = _event_limit() + MARGIN
    return limits


def _event_limit() -> int:
    if not os.environ.get(OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT):
        return MAX_EVENT_ATTRIBUTE
    limit = SpanLimits().max_attribute_length
    return MAX_TEXT if limit is None else limit


def _queue_size(settings: Settings) -> int | None:
    """Room for all that may be kept at once; ``None``: as the environment says."""
    if os.environ.get(OTEL_BSP_MAX_QUEUE_SIZE):
        return None
    return max(_USUAL_QUEUE_SIZE, settings.trace_buffer_spans)
