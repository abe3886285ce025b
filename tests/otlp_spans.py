"""Spans in OTLP's JSON."""

import secrets
import time

from tests.otlp_json import Attributes, attributes

SERVER, CLIENT = 2, 3
ERROR = 2


def new_trace() -> str:
    return secrets.token_hex(16)


def span(
    trace_id: str,
    name: str = "GET /a",
    seconds: float = 0.01,
    kind: int = SERVER,
    values: Attributes | None = None,
    failed: bool = False,
    **more: object,
) -> dict:
    end = time.time_ns()
    return {
        "traceId": trace_id,
        "spanId": secrets.token_hex(8),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(end - int(seconds * 1e9)),
        "endTimeUnixNano": str(end),
        "attributes": attributes(values or {}),
        "status": {"code": ERROR} if failed else {},
        **more,
    }


def traces(resource: Attributes, *spans: dict) -> dict:
    scope = {"scope": {"name": "test"}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": attributes(resource)}, "scopeSpans": [scope]}]}
