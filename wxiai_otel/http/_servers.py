"""Disconnect information of servers, besides the messages that the application receives."""

from types import MethodType
from typing import Any

from starlette.types import Receive

_PROTOCOLS = "uvicorn.protocols.http."


def request_cycle(receive: Receive) -> Any | None:
    """Return uvicorn's state of a request, or ``None`` under another server or behind a layer that wraps ``receive``.

    Its attribute ``disconnected`` is plain data: reading it has no side effects, unlike calling ``receive``.

    Parameters:
        receive: The ASGI callable as the server passes it. It is never called.
    """
    if type(receive) is not MethodType:
        return None
    owner = receive.__self__
    cls = type(owner)
    if cls.__name__ != "RequestResponseCycle" or not cls.__module__.startswith(_PROTOCOLS):
        return None
    return owner


def has_left(cycle: Any | None) -> bool:
    """Return whether the client has closed the connection.

    Parameters:
        cycle: As `request_cycle` returns it.
    """
    return cycle is not None and getattr(cycle, "disconnected", False) is True
