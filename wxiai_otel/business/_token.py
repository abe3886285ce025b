"""The token of an AI task: everything that whoever ends it must know, in one printable word."""

import base64
import binascii
import hashlib
import hmac
import os
import re
import struct
import time
from dataclasses import dataclass
from typing import cast

from opentelemetry.trace import SpanContext, TraceFlags

# Version; then, of a task that was counted when it began: id,
# start in milliseconds since the epoch, trace id, span id, trace flags; then three words.
_UNCOUNTED, _CHECKED, _SIGNED = b"\x00", b"\x01", b"\x02"
_FIXED = struct.Struct(">8sQ16s8sB")
_CHECKSUM_BYTES = 6
_SIGNATURE_BYTES = 16
_PRINTABLE = re.compile(r"[A-Za-z0-9_-]{16,1200}")
_MAX_WORD_BYTES = 255
_MILLISECONDS = 1000


class TaskTokenError(ValueError):
    """An AI task token that is invalid, truncated or changed."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """What is known of a task when it is submitted.

    Parameters:
        task_id: Random and unique.
        service: The label of its service.
        mode: Its mode; empty where none was given.
        role: The label of its user's role; empty for nobody.
        started: Seconds since the epoch.
        submitted_in: The span in which it was submitted.
    """

    task_id: str
    service: str
    mode: str
    role: str
    started: float
    submitted_in: SpanContext


def new_state(service: str, mode: str, role: str, submitted_in: SpanContext) -> TaskState:
    """The state of a task that is submitted now."""
    return TaskState(os.urandom(8).hex(), service, mode, role, time.time(), submitted_in)


def encode(state: TaskState | None, secret: str) -> str:
    """The token of a task, signed where there is a secret; ``None``: of one that was not counted when it began."""
    if state is None:
        return _printed(_UNCOUNTED + os.urandom(16), "")
    context = state.submitted_in
    body = _FIXED.pack(
        bytes.fromhex(state.task_id),
        int(state.started * _MILLISECONDS),
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        int(context.trace_flags),
    )
    for word in (state.service, state.mode, state.role):
        written = word.encode("utf-8", "replace")[:_MAX_WORD_BYTES].decode("utf-8", "ignore").encode()
        body += bytes((len(written),)) + written
    return _printed((_SIGNED if secret else _CHECKED) + body, secret)


def _printed(body: bytes, secret: str) -> str:
    return _text(body + _tag(body, secret))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(given: object, secret: str | None) -> TaskState | None:
    """Return the state in a token, or ``None`` if its task was not counted when it started.

    Parameters:
        given: A token, or any other object.
        secret: The setting task_secret; ``None`` if it is unknown, so that no signature can be checked.

    Raises:
        TaskTokenError: The object is not a token, was changed, or was signed with another secret.
    """
    # `type` and not `isinstance`: an object may fake its class, and a subclass may override comparisons.
    token = str.__str__(cast("str", given)) if issubclass(type(given), str) else ""
    if not _PRINTABLE.fullmatch(token):
        raise TaskTokenError("invalid or truncated AI task token")
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise TaskTokenError("invalid or truncated AI task token") from None
    version = raw[:1]
    if version not in (_UNCOUNTED, _CHECKED, _SIGNED) or _text(raw) != token:
        raise TaskTokenError("invalid or changed AI task token")
    if version == _CHECKED and secret:
        raise TaskTokenError(
            "the AI task token is not signed, but task_secret is set: set the same task_secret in all processes"
        )
    if version == _SIGNED and secret == "":
        raise TaskTokenError(
            "the AI task token is signed, but task_secret is not set: set the same task_secret in all processes"
        )
    size = _SIGNATURE_BYTES if version == _SIGNED else _CHECKSUM_BYTES
    body, tag = raw[:-size], raw[-size:]
    expected = _tag(body, secret or "" if version == _SIGNED else "")
    if (secret is not None or version != _SIGNED) and not hmac.compare_digest(tag, expected):
        raise TaskTokenError(
            "the AI task token was changed or truncated"
            + (", or was signed with another task_secret" if version == _SIGNED else "")
        )
    try:
        return None if version == _UNCOUNTED else _read(body)
    except (struct.error, IndexError):  # a checksum is easily made
        raise TaskTokenError("invalid AI task token") from None


def _read(body: bytes) -> TaskState:
    task_id, started, trace_id, span_id, flags = _FIXED.unpack_from(body, 1)
    words, position = [], 1 + _FIXED.size
    for _ in range(3):
        end = position + 1 + body[position]
        words.append(body[position + 1 : end].decode("utf-8", "replace"))
        position = end
    if position != len(body):
        raise IndexError
    context = SpanContext(
        int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big"), is_remote=True, trace_flags=TraceFlags(flags)
    )
    service, mode, role = words
    return TaskState(task_id.hex(), service, mode, role, started / _MILLISECONDS, context)


def _tag(body: bytes, secret: str) -> bytes:
    if secret:
        return hmac.new(secret.encode("utf-8", "surrogatepass"), body, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
    return hashlib.sha256(body).digest()[:_CHECKSUM_BYTES]
