"""Collections of the SDK, which holds locks meanwhile: one at a time, and none during a fork."""

import os
from _thread import get_ident
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ._beside import garbage_kept
from ._guard import guarded
from ._reentry import Serial

_HOLD_SECONDS = 1.0

# The SDK's own storage has locks: measurements are queued here while one is added or a reader collects.
sdk_storage = Serial()


def collects_alone(reader: Any, before: Callable[[], None]) -> None:
    """Hold `sdk_storage` while an SDK reader collects, so that no destructor waits for a lock of the SDK.

    Parameters:
        reader: A reader of a meter provider.
        before: Called before each collection.
    """
    collect: Callable[..., Any] | None = getattr(reader, "_collect", None)
    if collect is None:
        return

    def collect_alone(*args: Any, **kwargs: Any) -> Any:
        before()
        with sdk_storage.held(_HOLD_SECONDS), garbage_kept:
            return collect(*args, **kwargs)

    reader._collect = collect_alone  # noqa: SLF001 - no public way


# A fork waits this long for a collection: a child would wait forever for the locks that the SDK holds meanwhile.
_FORK_SECONDS = 0.25
_forking: dict[int, AbstractContextManager[bool]] = {}


def _before_fork() -> None:
    held = _forking[get_ident()] = sdk_storage.held(_FORK_SECONDS)
    held.__enter__()


def _after_fork_in_parent() -> None:
    _forking.pop(get_ident()).__exit__(None, None, None)


os.register_at_fork(
    before=guarded("storage.fork")(_before_fork),
    after_in_parent=guarded("storage.fork")(_after_fork_in_parent),
    after_in_child=_forking.clear,
)
