"""Exit hooks that run however the process ends.

An exit hook is a module-level function, so that its registration keeps no telemetry alive. It also runs in forked
children, and may run more than once in a process.

The main thread ends first. Other threads and executors may still work for as long as they like, and then the handlers
of `atexit` run. Hooks run after all of them. If threads are still at work, flushes run before the interpreter waits.

| How a process ends | What calls the hooks |
|---|---|
| Normal interpreter exit, also after `os.fork` | `atexit`; flushes: `threading._register_atexit` |
| Child of `multiprocessing`: `_exit_function`, then `os._exit` | `multiprocessing.util.Finalize`, after its threads |
| Child of billiard: `_exit_function`, then `os._exit` | `multiprocessing.util.Finalize` |
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
from contextlib import suppress
from typing import Any

from ._guard import guarded

# Low: the hooks run after the application's finalizers, and after children are joined.
_PRIORITY = -100
_WAITING = "wxiai-otel-exit"

# Methods after which a library calls `os._exit`: module, class, methods.
_LAST = (
    ("billiard.pool", "Worker", ("_do_exit",)),
    ("rq.worker", "Worker", ("handle_job_success", "handle_job_failure", "handle_job_retry")),
)

_hooks: list[Callable[[], object]] = []
_flushes: list[Callable[[], object]] = []


def at_exit(function: Callable[[], object], flush: Callable[[], object] | None = None) -> None:
    """Call a function when this process or a forked child of it ends, after the last of its threads.

    Parameters:
        function: A module-level function. It is registered once, however often this is called.
        flush: Another one, called before the interpreter waits for threads: it may be killed while it waits.
    """
    if not _hooks:
        _before_threads_end(_flush_before_wait)
        os.register_at_fork(after_in_child=_in_child)
        # A multiprocessing child clears its finalizers before it calls this.
        multiprocessing.util.register_after_fork(run_exit_hooks, _finalize)
        _finalize()
    if function not in _hooks:
        _hooks.append(function)
    if flush is not None and flush not in _flushes:
        _flushes.append(flush)
    _follow_libraries()


def run_exit_hooks(*_: object, **__: object) -> None:
    """Call all hooks, the latest first. Ignore the arguments, which differ between callers."""
    for function in reversed(_hooks):
        guarded("exit")(function)()


# Handlers of `atexit` run in reverse: those that the application registers from now on come first.
atexit.register(run_exit_hooks)


def _before_threads_end(function: Callable[[], object]) -> None:
    # There is no public way. Without it, the hooks still run after the threads.
    if (register := getattr(threading, "_register_atexit", None)) is not None:
        with suppress(RuntimeError):  # the interpreter is exiting already
            register(function)


def _flush_before_wait() -> None:
    if any(thread.name != _WAITING for thread in _at_work()):
        for function in reversed(_flushes):
            guarded("exit.flush")(function)()


def _at_work() -> list[threading.Thread]:
    """Return the threads that the interpreter waits for."""
    ignored = (threading.main_thread(), threading.current_thread())
    return [thread for thread in threading.enumerate() if not thread.daemon and thread not in ignored]


def _in_child() -> None:
    _finalize()
    _follow_libraries()


def _finalize(*_: object) -> None:
    multiprocessing.util.Finalize(None, _run_at_end_of_child, exitpriority=_PRIORITY)


def _run_at_end_of_child() -> None:
    """Run the hooks once the threads of a child of `multiprocessing` have ended: it waits for them after this."""
    if multiprocessing.parent_process() is not None and _at_work():
        _flush_before_wait()
        waiting = threading.Thread(target=_run_after_threads, name=_WAITING, daemon=False)
        with suppress(RuntimeError):  # no thread can be started
            waiting.start()
            return
    run_exit_hooks()


def _run_after_threads() -> None:
    while threads := _at_work():
        for thread in threads:
            thread.join()
    run_exit_hooks()


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
