"""Exit hooks that run however the process ends.

An exit hook is a module-level function, so that its registration keeps no telemetry alive. It also runs in forked
children, and may run more than once in a process.

| how the process ends | what calls the hooks |
|---|---|
| Normal interpreter exit, also after `os.fork` | `threading._register_atexit`; `atexit` if that is missing |
| Child of `multiprocessing` or billiard: `_exit_function`, then `os._exit` | `multiprocessing.util.Finalize` |
| Child of Celery's prefork pool: `os._exit` | Celery's signal `worker_process_shutdown` |
| Child of any other billiard pool, RQ's work horse: `os._exit` | the last method that the library calls, see `_LAST` |
| `os._exit` in other code, SIGKILL, SIGTERM without a handler | nothing: the last export is lost |
"""

import atexit
import functools
import multiprocessing.util
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from ._guard import guarded

# Low: the hooks run after the application's finalizers, and after children are joined.
_PRIORITY = -100

# Methods after which a library calls `os._exit`: module, class, methods.
_LAST = (
    ("billiard.pool", "Worker", ("_do_exit",)),
    ("rq.worker", "Worker", ("handle_job_success", "handle_job_failure", "handle_job_retry")),
)

_hooks: list[Callable[[], object]] = []


def at_exit(function: Callable[[], object]) -> None:
    """Register a function to run when this process or a forked child ends, before threads are joined.

    Parameters:
        function: A module-level function. Repeated registrations are ignored.
    """
    if not _hooks:
        _at_interpreter_exit(run_exit_hooks)
        os.register_at_fork(after_in_child=_in_child)
        # A multiprocessing child clears its finalizers before it calls this.
        multiprocessing.util.register_after_fork(run_exit_hooks, _finalize)
        _finalize()
    if function not in _hooks:
        _hooks.append(function)
    _follow_libraries()


def run_exit_hooks(*_: object, **__: object) -> None:
    """Call all hooks, the latest first. Ignore the arguments, which differ between callers."""
    for function in reversed(_hooks):
        guarded("exit")(function)()


def _at_interpreter_exit(function: Callable[[], object]) -> None:
    # Exporters work only until the interpreter joins its threads.
    register = getattr(threading, "_register_atexit", atexit.register)
    try:
        register(function)
    except RuntimeError:  # the interpreter is exiting already
        atexit.register(function)


def _in_child() -> None:
    _finalize()
    _follow_libraries()


def _finalize(*_: object) -> None:
    multiprocessing.util.Finalize(None, run_exit_hooks, exitpriority=_PRIORITY)


def _follow_libraries() -> None:
    """Hook into imported libraries whose processes end with `os._exit`."""
    if (signals := sys.modules.get("celery.signals")) is not None:
        guarded("exit.register")(_follow_celery)(signals)
    for module, kind, methods in _LAST:
        if (cls := getattr(sys.modules.get(module), kind, None)) is not None:
            for method in methods:
                guarded("exit.register")(_run_with_last)(cls, method)


def _follow_celery(signals: Any) -> None:
    signals.worker_process_shutdown.connect(run_exit_hooks, weak=False, dispatch_uid="wxiai_otel.exit")


def _run_with_last(cls: type, name: str) -> None:
    owner = next((base for base in cls.__mro__ if name in vars(base)), None)
    if owner is None or hasattr(original := vars(owner)[name], "_wxiai_otel"):
        return

    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(self, "is_horse"):  # billiard: the method does not return
            run_exit_hooks()
            return original(self, *args, **kwargs)
        try:
            return original(self, *args, **kwargs)
        finally:
            if self.is_horse:  # the process that RQ forks for one job
                run_exit_hooks()

    call._wxiai_otel = True  # type: ignore[attr-defined]  # noqa: SLF001
    setattr(owner, name, call)
