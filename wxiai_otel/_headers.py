"""Read-only access to ASGI headers.

ASGI allows any iterable of two-item iterables. An iterable may be readable only once, so only lists and tuples are
looked at: everything else is left untouched for the receiver.

https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope
"""

from typing import Any

_READABLE = (list, tuple)


def readable(headers: Any) -> Any:
    """Return the headers if iterating over them changes nothing, else no headers."""
    return headers if type(headers) in _READABLE else ()


def values_of(headers: Any, name: bytes) -> list[bytes]:
    """Return all values of a header, in order.

    Parameters:
        headers: The ``headers`` of an ASGI scope or message.
        name: Lower-case name.
    """
    return [header[1] for header in readable(headers) if type(header) in _READABLE and header[0].lower() == name]


def first_of(headers: Any, name: bytes) -> bytes | None:
    """Return the first value of a header, or ``None``. See `values_of`."""
    for header in readable(headers):
        if type(header) in _READABLE and header[0].lower() == name:
            value: bytes = header[1]
            return value
    return None
