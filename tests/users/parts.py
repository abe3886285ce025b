"""What tests of this folder use alone or break: private modules are imported here only."""

from wxiai_otel import _business
from wxiai_otel.http import _websocket
from wxiai_otel.users import _activity, _periods, _sketch

__all__ = [
    "BITS",
    "BYTES",
    "Bitmap",
    "BusinessTelemetry",
    "Calendar",
    "_activity",
    "_websocket",
    "common",
    "estimate",
    "position",
    "united",
]

BusinessTelemetry = _business.BusinessTelemetry
Calendar = _periods.Calendar
BITS = _sketch.BITS
BYTES = _sketch.BYTES
Bitmap = _sketch.Bitmap
common = _sketch.common
estimate = _sketch.estimate
position = _sketch.position
united = _sketch.united
