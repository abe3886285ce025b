"""Partial success: items that an OTLP receiver rejects although it accepts the request.

https://opentelemetry.io/docs/specs/otlp/#partial-success
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from ._labels import printable
from ._redaction import redacted

_MAX_MESSAGE = 300


class Rejection(NamedTuple):
    """The partial success of a request that a receiver accepted.

    Attributes:
        items: Number of rejected spans, data points or log records; 0 if the message is only a warning.
        message: The receiver's reason, for people.
    """

    items: int
    message: str


_noted: ContextVar[list[Rejection] | None] = ContextVar("wxiai_otel_otlp_rejections", default=None)


@contextmanager
def noting_rejections() -> Iterator[list[Rejection]]:
    """Collect the rejections in responses to exports in the block."""
    noted: list[Rejection] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def note_message(response: Any) -> None:
    """Note the rejection in a response message. Never raises.

    Parameters:
        response: The ``Export…ServiceResponse`` of any signal.
    """
    try:
        partial = response.partial_success
        # The messages of the three signals differ only in the name of this field.
        _note(next(value for field, value in _fields(partial) if field.startswith("rejected")), partial.error_message)
    except Exception:  # noqa: BLE001, S110 - the receiver has accepted the request
        pass


def note_body(content_type: str, body: bytes) -> None:
    """Note the rejection in the body of an HTTP response. Never raises: a malformed body is ignored.

    Parameters:
        content_type: The content type of the response; protobuf if it is empty.
        body: The whole body, decoded.
    """
    noted = _noted.get()
    if noted is None or not body:
        return
    try:
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "application/json":
            _note_json(json.loads(body))
        elif kind in ("", "application/x-protobuf", "application/protobuf", "application/octet-stream"):
            from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

            # The responses of all signals have the same wire format.
            partial = ExportTraceServiceResponse.FromString(body).partial_success
            _note(partial.rejected_spans, partial.error_message)
    except Exception:  # noqa: BLE001, S110 - as above
        pass


def _fields(message: Any) -> Iterator[tuple[str, Any]]:
    for field in message.DESCRIPTOR.fields:
        yield field.name, getattr(message, field.name)


def _note_json(found: Any) -> None:
    # Protobuf's JSON allows both spellings of a name, and encodes 64-bit integers as strings.
    partial = found.get("partialSuccess") or found.get("partial_success") or {}
    rejected = next((value for name, value in partial.items() if name.startswith("rejected")), 0)
    _note(int(rejected), str(partial.get("errorMessage") or partial.get("error_message") or ""))


def _note(items: int, message: str) -> None:
    noted = _noted.get()
    if noted is not None and (items > 0 or message):
        noted.append(Rejection(max(0, items), printable(redacted(message[:_MAX_MESSAGE])).replace("\n", " ")))
