"""Work in a thread, and what the requests beside it feel of it.

A thread that wants the interpreter waits for it as long as another may keep it, which is five milliseconds, and a
request wants it several times. And the many objects of a scrape bring on collections of all garbage there is, during
which the whole process stands still, although none of these objects needs one.
"""

import gc
import sys
from collections.abc import Callable

from ._background import in_forked_child
from ._reentry import Serial

_TURN_SECONDS = 0.0005
_HALF_A_MICROSECOND = 5e-7


class _WhileAny:
    """A state of the process for as long as any thread is in it.

    Parameters:
        begin: Makes it so, and gives what makes it as it was.
    """

    def __init__(self, begin: Callable[[], Callable[[], None]]) -> None:
        self._begin = begin
        self._threads = 0
        self._serial = Serial()
        in_forked_child(self._end_alone)

    def __enter__(self) -> None:
        self._serial.run(self._add)

    def __exit__(self, *_raised: object) -> None:
        self._serial.run(self._remove)

    def _add(self) -> None:
        self._threads += 1
        if self._threads == 1:
            self._end = self._begin()

    def _remove(self) -> None:
        self._threads -= 1
        if self._threads == 0:
            self._end()

    def _end_alone(self) -> None:
        """The threads that were in it are not in the child."""
        threads, self._threads = self._threads, 0
        if threads:
            self._end()


def _shorten_turns() -> Callable[[], None]:
    before = sys.getswitchinterval()
    if before <= _TURN_SECONDS:
        return lambda: None
    sys.setswitchinterval(_TURN_SECONDS)
    during = sys.getswitchinterval()

    def end() -> None:
        # Whoever has set it meanwhile knows better.
        if sys.getswitchinterval() == during:
            # It is cut to whole microseconds each time.
            sys.setswitchinterval(before + _HALF_A_MICROSECOND)

    return end


def _keep_garbage() -> Callable[[], None]:
    if not gc.isenabled():
        return lambda: None
    gc.disable()
    return gc.enable


# Threads wait for each other half a millisecond at most.
short_turns = _WhileAny(_shorten_turns)
# No garbage is collected: for work that is short and makes none.
garbage_kept = _WhileAny(_keep_garbage)
