"""How a worker may fork, and what its children do."""

import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable

import prometheus_client
from opentelemetry import metrics

import wxiai_otel
from tests.workers import actions

_FORK = multiprocessing.get_context("fork")


def record(times: int) -> None:
    for _ in range(times):
        wxiai_otel.record_user_registration()


def fork(times: int) -> None:
    if (pid := os.fork()) == 0:
        record(times)
        os._exit(0)
    os.waitpid(pid, 0)


def fork_and_kill(times: int) -> None:
    reads, writes = os.pipe()
    if (pid := os.fork()) == 0:
        record(times)
        os.write(writes, b".")
        signal.pause()
    os.read(reads, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reads)
    os.close(writes)


def popen(times: int) -> None:
    with subprocess.Popen(["true"], preexec_fn=lambda: record(times)) as process:  # noqa: PLW1509
        process.wait()


def multiprocessing_process(times: int) -> None:
    process = _FORK.Process(target=record, args=(times,))
    process.start()
    process.join()
    process.close()


def grandchild(times: int) -> None:
    if (pid := os.fork()) == 0:
        fork(times)
        os._exit(0)
    os.waitpid(pid, 0)


def grandchild_that_lives_on(times: int) -> None:
    """Fork a fork that lives until its threads have run."""
    if (pid := os.fork()) == 0:
        if (pid := os.fork()) == 0:
            record(times)
            time.sleep(0.05)
        else:
            os.waitpid(pid, 0)
        os._exit(0)
    os.waitpid(pid, 0)


def fork_in_thread(times: int) -> None:
    thread = threading.Thread(target=fork, args=(times,))
    thread.start()
    thread.join()


def fork_in_threads_at_once(times: int) -> None:
    threads = [threading.Thread(target=fork, args=(times if number == 0 else 0,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


KINDS: dict[str, Callable[[int], None]] = {
    "os.fork and os._exit": fork,
    "os.fork and SIGKILL": fork_and_kill,
    "Popen with preexec_fn": popen,
    "multiprocessing": multiprocessing_process,
    "a fork's fork": grandchild,
    "a fork's fork that lives on": grandchild_that_lives_on,
    "os.fork in a thread": fork_in_thread,
    "os.fork in several threads": fork_in_threads_at_once,
}


def run(kind: str, children: int, times: int) -> None:
    """Fork children one after another, which each record so many times."""
    for _ in range(children):
        KINDS[kind](times)


def leave_child(times: int) -> int:
    """Fork a child that records once it is sent SIGUSR1, and then lives on; return its PID."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGUSR1, lambda *_: record(times))
        os.write(done, b".")
        while True:
            signal.pause()
    os.read(ready, 1)
    os.close(ready)
    os.close(done)
    return pid


def measure_in_children(children: int, *kinds: str, again: bool = False) -> None:
    """Measure once of each kind, then in each of some children the kinds that are named.

    Parameters:
        again: End telemetry in between, and set it up again.
    """
    made = metrics.get_meter("shop").create_counter("made")
    sold = prometheus_client.Counter("sold", "Things sold.")
    measures = {
        "registration": wxiai_otel.record_user_registration,
        "meter": lambda: made.add(1),
        "client": sold.inc,
    }
    for measure in measures.values():
        measure()
    if again:
        actions.shutdown()
        actions.setup(prometheus_client=True)
    for _ in range(children):
        if (pid := os.fork()) == 0:
            for kind in kinds:
                measures[kind]()
            if kinds != ("registration",):  # only counts of the catalog are kept however a process ends
                actions.shutdown()
            os._exit(0)
        os.waitpid(pid, 0)
