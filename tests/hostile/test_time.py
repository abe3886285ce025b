"""Nothing takes the square of what it is sent: eight times as much takes about eight times as long."""

import json
import time

import pytest
from opentelemetry import propagate

from tests.hostile.internals import (
    GETTER,
    PayloadError,
    decode,
    inert_lines,
    parse,
    read_command,
    redacted,
    without_literals,
)
from wxiai_otel import TaskTokenError
from wxiai_otel.detection import Clients

SMALL, LARGE = 1_000, 8_000
TRACEPARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def extract(name, text):
    propagate.extract({"headers": [TRACEPARENT, (name, text.encode())]}, getter=GETTER)


def refuse(text):
    try:
        decode(text, "")
    except TaskTokenError:
        return


def webhook(text):
    alert = {"status": "firing", "labels": {"alertname": text}, "annotations": {"summary": text}, "startsAt": text}
    try:
        parse(json.dumps({"alerts": [alert], "commonLabels": {"a": text}, "externalURL": "http://x"}).encode())
    except PayloadError:
        return


READERS = {
    "tracestate": lambda text: extract(b"tracestate", text),
    "baggage": lambda text: extract(b"baggage", text),
    "baggage value": lambda text: extract(b"baggage", f"a=b{text}x"),
    "redaction": redacted,
    "markdown": inert_lines,
    "webhook": webhook,
    "token": refuse,
    "sql": without_literals,
    "mysql": lambda text: without_literals(text, backslashes=True),
    "redis": lambda text: read_command([text]),
    "forwarded": lambda text: Clients(["10.0.0.1"]).address(
        {"client": ("10.0.0.1", 1), "headers": [(b"x-forwarded-for", text.encode())]}
    ),
}
UNITS = [
    " ",
    " \t",
    "a=b,",
    ",",
    "a;",
    "eyJ-",
    "-eyJ",
    "eyJ.",
    "a@",
    "//a",
    "?a",
    "password\\",
    "](",
    "*",
    "\n#",
    "'",
    "/*",
    "[a",
    "$a$",
]


def seconds(reader, text):
    best = float("inf")
    for _ in range(3):
        started = time.thread_time()
        reader(text)
        best = min(best, time.thread_time() - started)
    return best


@pytest.mark.parametrize("unit", UNITS, ids=ascii)
@pytest.mark.parametrize("name", READERS)
def test_time_grows_with_the_length(name, unit):
    reader = READERS[name]
    small, large = (seconds(reader, unit * (size // len(unit))) for size in (SMALL, LARGE))
    # A square would be 64 times, and was 60 ms and more.
    assert large < max(24 * small, 0.025), f"{small * 1e3:.2f} ms, {large * 1e3:.2f} ms"
