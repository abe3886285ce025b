"""What the tests of tasks share."""

import socket
import threading
import time
from contextlib import ExitStack, contextmanager

from fastapi import FastAPI

from tests.scrape import Scrape, scrape
from tests.until import until
from wxiai_otel import setup_telemetry


def set_up(**settings):
    return setup_telemetry(
        FastAPI(), **{"task_secret": "s", "state_redis": "memory", "redis_poll_timeout": 0.5, **settings}
    )


def settled(telemetry) -> Scrape:
    assert telemetry.force_flush(30)
    return scrape(telemetry)


def ended(seen: Scrape) -> dict[tuple[str, str], float]:
    counts = seen.series("ai_tasks_total", "service", "status")
    return {labels: count for labels, count in counts.items() if count and labels[1] != "pending"}


def after(telemetry, count: float) -> Scrape:
    """Scrape until so many tasks have ended."""
    until(lambda: sum(ended(scrape(telemetry)).values()) >= count)
    return scrape(telemetry)


@contextmanager
def hardly_longer_than(seconds):
    """Measure a block against a wait of so many seconds beside it: both feel how busy the machine is."""
    began, waited = time.monotonic(), []

    def wait():
        time.sleep(seconds)
        waited.append(time.monotonic() - began)

    beside = threading.Thread(target=wait)
    beside.start()
    yield
    took = time.monotonic() - began
    beside.join()
    assert took < 2 * waited[0], f"{took:.2f} s beside {waited[0]:.2f} s"


@contextmanager
def silent_server():
    """What accepts connections and says nothing."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)

        def accept():
            while True:
                try:
                    stack.enter_context(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)
