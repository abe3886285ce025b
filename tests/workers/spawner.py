"""The parent of workers: starts one for each line of its standard input, with multiprocessing, as uvicorn does.

    python -m tests.workers.spawner

A line is JSON: `address`, the socket to which the worker connects; `environ`; and `uid`, the user that it becomes. The
worker sets up telemetry when it is told to, and runs the functions that it is sent.
"""

import contextlib
import importlib
import json
import multiprocessing
import os
import pkgutil
import signal
import sys
import traceback
from multiprocessing.connection import Client, Connection

import wxiai_otel


def load() -> None:
    """Import what workers use, once for all of them: what one has imported, and the rest of the package."""
    reads, writes = os.pipe()
    if (child := os.fork()) == 0:
        warm_up()
        with os.fdopen(writes, "w") as file:
            json.dump(list(sys.modules), file)
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as file:
        used = json.load(file)
    os.waitpid(child, 0)
    package = [found.name for found in pkgutil.walk_packages(wxiai_otel.__path__, "wxiai_otel.")]
    for name in (*used, *package):
        # The zero-code package starts telemetry when it is imported; others may need packages that are missing.
        if "zero_code" not in name:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def warm_up() -> None:
    """Have telemetry, and answer a scrape."""
    from tests.workers import actions

    actions.setup(workers_folder="none")
    actions.record(1, 1)
    actions.get(actions.METRICS)
    actions.shutdown()


def become(uid: int) -> None:
    """Be another user, who may not be able to import what root can: everything is imported."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    # So that /proc/self is this user's: https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html
    import ctypes

    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)


def serve(connection: Connection) -> None:
    """Run functions and answer with what they return, until the test closes the connection or sends None."""
    while True:
        try:
            asked = connection.recv()
        except EOFError:
            os._exit(0)
        if asked is None:
            return
        function, args, kwargs = asked
        try:
            answer = (True, function(*args, **kwargs))
        except Exception:
            answer = (False, traceback.format_exc())
        connection.send(answer)


def work(address: str, environ: dict[str, str], uid: int) -> None:
    """Be a worker."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(environ)
    connection = Client(address)
    if uid:
        become(uid)
    serve(connection)


def main() -> None:
    load()
    # The kernel reaps the workers.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    context = multiprocessing.get_context("fork")
    while line := sys.stdin.buffer.raw.readline():
        context.Process(target=work, kwargs=json.loads(line)).start()


if __name__ == "__main__":
    main()
