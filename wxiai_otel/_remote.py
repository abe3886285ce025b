"""Limits on what the other side of a connection can cause: requested delays, slow and endless responses."""

import http.client
import io
import math
import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from typing_extensions import override

# The longest delay that a response can request.
MAX_DELAY_SECONDS = 60.0
# The shortest and the longest one that an OTLP exporter waits for, and the share of its timeout that it waits at most.
EXPORT_DELAY_SECONDS = (1.0, 5.0)
_SHARE_OF_TIMEOUT = 0.5
# Of one response with its headers, or of all replies on an SMTP connection.
MAX_RESPONSE_BYTES = 256 * 1024

_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_MANY_DIGITS = re.compile(r"[0-9]{10,}")
_MAX_DATE = 64


def bounded_delay(seconds: float) -> float:
    """Return a requested delay in seconds, from 0 to `MAX_DELAY_SECONDS`."""
    return 0.0 if math.isnan(seconds) else min(max(0.0, seconds), MAX_DELAY_SECONDS)


def requested_delay(values: Iterable[str]) -> float | None:
    """Return the longest delay that ``Retry-After`` headers request, at most `MAX_DELAY_SECONDS`.

    Parameters:
        values: The values of all headers of that name. Invalid values are ignored.

    Returns:
        Seconds, 0 for a date in the past; ``None`` if no value is valid.

    See https://www.rfc-editor.org/rfc/rfc9110#field.retry-after.
    """
    delays = [delay for value in values if (delay := _delay(value.strip())) is not None]
    return max(delays, default=None)


def _delay(value: str) -> float | None:
    if _SECONDS.fullmatch(value):
        return bounded_delay(float(value))
    if _MANY_DIGITS.fullmatch(value):
        return MAX_DELAY_SECONDS
    if len(value) > _MAX_DATE or not value.isascii():
        return None
    try:
        date = parsedate_to_datetime(value)
        # Dates without a time zone are in UTC.
        return bounded_delay((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def export_delay(requested: float, timeout: object, allowed: tuple[float, float] = EXPORT_DELAY_SECONDS) -> float:
    """Return the seconds after which an OTLP exporter retries.

    OpenTelemetry's exporters give up at once if the requested delay is longer than the rest of their timeout.

    Parameters:
        requested: The delay that the receiver requests, in seconds.
        timeout: The rest of the exporter's timeout, in seconds, if it has one.
        allowed: The shortest and the longest delay.
    """
    least, most = allowed
    if isinstance(timeout, int | float):
        most = min(most, timeout * _SHARE_OF_TIMEOUT)
    return min(max(requested, least), most)


class ResponseTooLong(OSError):
    """A response exceeds `MAX_RESPONSE_BYTES`."""

    def __init__(self) -> None:
        super().__init__(0, f"the response is longer than {MAX_RESPONSE_BYTES:,} bytes")


class _Bounded(io.RawIOBase):
    """The bytes that a connection receives, up to a deadline and a number."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        # Keeps the connection open, as the file of a response does.
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = deadline
        self._bytes = MAX_RESPONSE_BYTES

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:
        if self._bytes <= 0:
            raise ResponseTooLong
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        # A timeout of the socket only bounds one operation: a byte per second would go on forever.
        with suppress(OSError):  # already closed: the remaining timeout applies
            self._sock.settimeout(left)
        read = self._file.readinto(buffer)
        self._bytes -= read or 0
        return read

    @override
    def close(self) -> None:
        self._file.close()
        super().close()


def bounded_file(sock: socket.socket, deadline: float) -> io.BufferedReader:
    """Return a file of what a socket receives, as ``sock.makefile("rb")``, with a deadline and a size limit.

    Parameters:
        sock: A connected socket.
        deadline: On the clock of `time.monotonic`. Later reads raise `TimeoutError`.

    Raises:
        ResponseTooLong: When reading, beyond `MAX_RESPONSE_BYTES`.
    """
    return io.BufferedReader(_Bounded(sock, deadline))


class BoundedResponse(http.client.HTTPResponse):
    """A response that arrives, with its headers, before a deadline, and is read up to `MAX_RESPONSE_BYTES`.

    Parameters:
        deadline: On the clock of `time.monotonic`.
        args: Those of `http.client.HTTPResponse`.
        kwargs: Likewise.
    """

    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = bounded_file(sock, deadline)
