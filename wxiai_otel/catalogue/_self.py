"""What the SDK says of itself. These are not part of the contract; their names begin with ``wxiai_otel``."""

from ._model import Attribute, Instrument, Kind, one

SELF: tuple[Instrument, ...] = (
    one(
        "wxiai_otel.faults",
        Kind.OBSERVABLE_COUNTER,
        "{fault}",
        "Exceptions inside the SDK that were kept from the application.",
        "wxiai_otel_faults_total",
        (Attribute("site", "site"),),
    ),
    one(
        "wxiai_otel.series.refused",
        Kind.OBSERVABLE_COUNTER,
        "{measurement}",
        "Measurements counted under other because the instrument had reached max_series, or the label its own limit.",
        "wxiai_otel_series_refused_total",
        (Attribute("instrument", "instrument"),),
    ),
    one(
        "wxiai_otel.inputs.refused",
        Kind.OBSERVABLE_COUNTER,
        "{input}",
        "Calls of the helpers whose arguments were not allowed and were not recorded.",
        "wxiai_otel_inputs_refused_total",
        (Attribute("helper", "helper"),),
    ),
    one(
        "wxiai_otel.tasks.dropped",
        Kind.OBSERVABLE_COUNTER,
        "{task}",
        "Ends of AI tasks that could not be claimed and were not counted.",
        "wxiai_otel_tasks_dropped_total",
    ),
    one(
        "wxiai_otel.traces.overflowed",
        Kind.OBSERVABLE_COUNTER,
        "{trace}",
        "Traces that were dropped, unless chosen by probability, because too many spans waited for a decision.",
        "wxiai_otel_traces_overflowed_total",
    ),
    one(
        "wxiai_otel.exports",
        Kind.OBSERVABLE_COUNTER,
        "{export}",
        "Attempts to send something by OTLP, by signal and outcome.",
        "wxiai_otel_exports_total",
        (Attribute("signal", "signal"), Attribute("outcome", "outcome")),
    ),
    one(
        "wxiai_otel.exports.duration",
        Kind.OBSERVABLE_COUNTER,
        "s",
        "Seconds that these attempts have taken.",
        "wxiai_otel_exports_duration_seconds_total",
        (Attribute("signal", "signal"),),
    ),
    one(
        "wxiai_otel.items.dropped",
        Kind.OBSERVABLE_COUNTER,
        "{item}",
        "Spans and log records that were to be sent and were not, by signal and reason.",
        "wxiai_otel_items_dropped_total",
        (Attribute("signal", "signal"), Attribute("reason", "reason")),
    ),
    one(
        "wxiai_otel.spans.queue.utilization",
        Kind.GAUGE,
        "1",
        "Share of the room for spans that wait to be sent which is in use.",
        "wxiai_otel_spans_queue_utilization_ratio",
    ),
    one(
        "wxiai_otel.detection.clients",
        Kind.GAUGE,
        "{client}",
        "Clients and sources of failed logins that detection remembers: at most twice detection_clients.",
        "wxiai_otel_detection_clients",
        (Attribute("kind", "kind", values=("requests", "logins")),),
    ),
)
