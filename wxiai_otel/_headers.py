"""Read-only access to ASGI headers.

ASGI allows any iterable of two-item iterables. An iterable may be readable only once, so only lists and tuples are
read. Everything else is left untouched for the receiver.

https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope
"""

from collections.abc import Container, Iterator
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


def has_any(headers: Any, names: Container[bytes]) -> bool:
    """Return whether there is a header with one of some lower-case names. See `readable`."""
    # Inline, since it is called for each request.
    if type(headers) in _READABLE:
        for header in headers:
            if (type(header) is tuple or type(header) is list) and header[0].lower() in names:
                return True
    return False
