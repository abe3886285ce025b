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
)
