"""Attempts of a client at one call of the application. Only the last attempt counts.

redis-py sends a script by its digest, loads it if the server does not know it, and sends it again. A lock polls its
key. A `MultiDBClient` repeats a transaction on the next database. Each time the application made one call.
"""

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token

_current: ContextVar["Attempts | None"] = ContextVar("wxiai_otel_redis_attempts", default=None)


class Attempts:
    """The calls of the current attempt, recorded after the last attempt.

    Parameters:
        one_call: Whether each call is a separate attempt. Otherwise `failed` ends an attempt.
    """

    __slots__ = ("_held", "_is_open", "_is_over", "_one_call", "_outer", "_token")

    def __init__(self, *, one_call: bool) -> None:
        self._one_call = one_call
        self._is_over = False
        self._is_open = True
        self._held: list[Callable[[], None]] = []
        self._outer = _current.get()
        self._token: Token[Attempts | None] = _current.set(self)

    def begin(self) -> None:
        """Start an attempt: drop the calls of an earlier one."""
        if self._is_over:
            self._held.clear()
        self._is_over = self._one_call

    def failed(self) -> None:
        """End an attempt. Its calls count unless another attempt follows."""
        self._is_over = True

    def record(self, record: Callable[[], None]) -> None:
        """Record a call when no other attempt can follow.

        Parameters:
            record: Records the call. It must not raise.
        """
        # A task that the application starts in a transaction may outlive it.
        if self._is_open:
            self._held.append(record)
        else:
            record()

    def end(self) -> None:
        """Record the calls of the last attempt."""
        with suppress(ValueError):  # a coroutine was closed in another context
            _current.reset(self._token)
        self._is_open = False
        held, self._held = self._held, []
        for record in held:
            if self._outer is not None:
                self._outer.record(record)
            else:
                record()


def current_attempts() -> Attempts | None:
    """Return the innermost attempts in progress in the current context."""
    return _current.get()
