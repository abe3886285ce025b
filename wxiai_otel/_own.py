"""Telemetry's own traffic: what we ask of Redis and databases is neither counted nor traced."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, get_current, set_value

# https://github.com/open-telemetry/opentelemetry-python-contrib reads both, and importing its constant takes wrapt.
_KEYS = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")


class _Block:
    """A block of code, true until it ends.

    A task that the application starts within the block inherits its context. The task may outlive the block, and what
    it does then is recorded.
    """

    __slots__ = ("_is_open",)

    def __init__(self) -> None:
        self._is_open = True

    def __bool__(self) -> bool:
        return self._is_open

    def close(self) -> None:
        """End the block."""
        self._is_open = False


_own: ContextVar[_Block | None] = ContextVar("wxiai_otel_own_traffic", default=None)


@contextmanager
def suppressed(*, is_own: bool = False) -> Iterator[None]:
    """Within this context nothing is traced by any OpenTelemetry instrumentation.

    Parameters:
        is_own: Whether it is telemetry's own traffic, which this package does not count either.
    """
    block = _Block()
    context = get_current()
    for key in _KEYS:
        context = set_value(key, block, context)
    own = _own.set(block if is_own else _own.get())
    token = attach(context)
    try:
        yield
    finally:
        block.close()
        try:
            _own.reset(own)
        except ValueError:  # a coroutine was closed from another context
            pass
        else:
            detach(token)


def own_traffic() -> AbstractContextManager[None]:
    """Within this context nothing is counted by this package nor traced by any OpenTelemetry instrumentation."""
    return suppressed(is_own=True)


def is_own_traffic() -> bool:
    """Whether the current context is telemetry's own."""
    return bool(_own.get())
