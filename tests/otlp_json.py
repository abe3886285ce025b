"""OTLP as JSON, as other SDKs write it."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

CUMULATIVE, DELTA = 2, 1
MINUTE = 60 * 10**9
# An SDK reads the clock once for all points of an export.
NOW = time.time_ns()

# opentelemetry.io/docs/specs/semconv/http/http-metrics
DEFAULT_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

Attributes = Mapping[str, object]


def attributes(values: Attributes) -> list[dict]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: object) -> dict:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": value}


def request(resource: Attributes, *scopes: tuple[str, Sequence[dict]]) -> dict:
    """An export request of one resource.

    Parameters:
        resource: Its attributes.
        scopes: Each instrumentation scope's name and its metrics.
    """
    scope_metrics = [{"scope": {"name": name, "version": "1.0"}, "metrics": list(metrics)} for name, metrics in scopes]
    return {"resourceMetrics": [{"resource": {"attributes": attributes(resource)}, "scopeMetrics": scope_metrics}]}


def point(values: Attributes, now: int = NOW, start: int = NOW - MINUTE) -> dict:
    return {"attributes": attributes(values), "startTimeUnixNano": str(start), "timeUnixNano": str(now)}


def number(value: float, values: Attributes = MappingProxyType({}), **times: int) -> dict:
    key, given = ("asInt", str(value)) if isinstance(value, int) else ("asDouble", value)
    return {**point(values, **times), key: given}


def buckets(counts: Sequence[int], total: float, values: Attributes, bounds=DEFAULT_BOUNDS, **times: int) -> dict:
    return {
        **point(values, **times),
        "count": str(sum(counts)),
        "sum": total,
        "bucketCounts": [str(count) for count in counts],
        "explicitBounds": list(bounds),
    }


def histogram(name: str, *points: dict, unit: str = "s", temporality: int = CUMULATIVE) -> dict:
    return {
        "name": name,
        "unit": unit,
        "description": "Duration of HTTP server requests.",
        "histogram": {"aggregationTemporality": temporality, "dataPoints": list(points)},
    }


def counter(name: str, *points: dict, unit: str = "", temporality: int = CUMULATIVE, monotonic: bool = True) -> dict:
    data = {"aggregationTemporality": temporality, "isMonotonic": monotonic, "dataPoints": list(points)}
    return {"name": name, "unit": unit, "sum": data}


def gauge(name: str, *points: dict, unit: str = "") -> dict:
    return {"name": name, "unit": unit, "gauge": {"dataPoints": list(points)}}


def exponential(name: str, *points: dict, unit: str = "s") -> dict:
    return {
        "name": name,
        "unit": unit,
        "exponentialHistogram": {"aggregationTemporality": CUMULATIVE, "dataPoints": list(points)},
    }
