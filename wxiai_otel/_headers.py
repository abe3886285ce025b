"""Read-only access to ASGI headers.

ASGI allows any iterable of two-item iterables. An iterable may be readable only once, so only lists and tuples are
read. Everything else is left untouched for the receiver.

https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope
"""

from collections.abc import Iterator
from typing import Any

_READABLE = (list, tuple)


def readable(headers: Any) -> Iterator[Any]:
    """Yield the headers that can be read without side effects.

    Parameters:
        headers: The ``headers`` of an ASGI scope or message.
    """
    if type(headers) in _READABLE:
        for header in headers:
            if type(header) in _READABLE:
                yield header


def values_of(headers: Any, name: bytes) -> list[bytes]:
    """Return all values of a header, in order.

    Parameters:
        headers: See `readable`.
        name: Lower-case name.
    """
    return [value for header, value in readable(headers) if header.lower() == name]


def first_of(headers: Any, name: bytes) -> bytes | None:
    """Return the first value of a header, or ``None``. See `values_of`."""
    if type(headers) in _READABLE:  # inlined, because it runs for each response
        for header in headers:
            if type(header) in _READABLE and header[0].lower() == name:
                value: bytes = header[1]
                return value
    return None


def has_any(headers: Any, names: frozenset[bytes]) -> bool:
    """Return whether any header has one of the lower-case names. See `readable`."""
    if type(headers) not in _READABLE:
        return False
    try:
        # At once, since it is called for each request.
        return not names.isdisjoint([header[0].lower() for header in headers])
    except Exception:  # noqa: BLE001 - a header is no pair, or readable only once
        return any(header[0].lower() in names for header in readable(headers))
