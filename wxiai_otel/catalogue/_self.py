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
        "Measurements counted under the overflow series because the instrument had reached max_series.",
        "wxiai_otel_series_refused_total",
        (Attribute("instrument", "instrument"),),
    ),
)
