"""What an application's tests see of its telemetry: the types behind the fixture ``telemetry``, without pytest."""

from ..alerting._message import Alert
from ._clock import Clock
from ._spans import Span
from ._telemetry import TelemetryUnderTest
from ._values import Histogram, UnknownTelemetry, Value

__all__ = ["Alert", "Clock", "Histogram", "Span", "TelemetryUnderTest", "UnknownTelemetry", "Value"]
