"""Log records in OTLP's JSON."""

import time

from tests.otlp_json import Attributes, attributes


def record(body: str | dict, values: Attributes | None = None, **more: object) -> dict:
    said = body if isinstance(body, dict) else {"stringValue": body}
    return {"timeUnixNano": str(time.time_ns()), "body": said, "attributes": attributes(values or {}), **more}


def logs(resource: Attributes, *records: dict) -> dict:
    scope = {"scope": {"name": "test"}, "logRecords": list(records)}
    return {"resourceLogs": [{"resource": {"attributes": attributes(resource)}, "scopeLogs": [scope]}]}
