"""Faults of the Collector while clients ask the application."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from tests.servers.ports import free_port

from .parts import Application, Row
from .relay import Relay, relay
from .world import World


@dataclass(frozen=True, slots=True)
class Fault:
    """How it begins and ends; ``absent``: it is there before the application."""

    title: str
    begin: Callable[[World], None]
    end: Callable[[World], None]
    absent: bool = False


def _begin_again(at: World) -> None:
    at.collector.start()


def _refuse(at: World) -> None:
    at.collector.kill()
    at.collector.start(COLLECTOR_MEMORY_LIMIT_MIB="40", COLLECTOR_MEMORY_SPIKE_MIB="39")


def _accept(at: World) -> None:
    at.collector.kill()
    at.collector.start(COLLECTOR_MEMORY_LIMIT_MIB="512", COLLECTOR_MEMORY_SPIKE_MIB="128")


def _kill_and_empty(at: World) -> None:
    at.collector.kill()
    at.collector.empty()


FAULTS = {
    "absent": Fault("Collector absent at the start", lambda at: at.collector.kill(), _begin_again, absent=True),
    "killed": Fault("Collector killed", lambda at: at.collector.kill(), _begin_again),
    "frozen": Fault("Collector frozen", lambda at: at.collector.freeze(), lambda at: at.collector.thaw()),
    "refusing": Fault("Collector refuses (503)", _refuse, _accept),
    "emptied": Fault("Collector killed, its data gone", _kill_and_empty, _begin_again),
}


def run(at: World, fault: Fault) -> Row:
    """Rounds with and without the fault in turn, then the end of the application within it."""
    row = Row(fault.title)
    if fault.absent:
        fault.begin(at)
    with at.application() as app:
        _rounds(at, row, app, partial(fault.begin, at), partial(fault.end, at), begun=fault.absent)
        fault.begin(at)
        try:
            _end(at, row, app)
        finally:
            fault.end(at)
    return row


def slow(at: World) -> Row:
    """Every answer takes 3 seconds."""
    row = Row("Collector slow (3 s an answer)")
    with _behind_a_relay(at) as (way, app):
        _rounds(at, row, app, partial(setattr, way, "delay", 3.0), partial(setattr, way, "delay", 0.0))
        way.delay = 3.0
        _end(at, row, app)
    return row


def moved(at: World) -> Row:
    """It ends, and begins on another port behind the same address."""
    row = Row("Collector back on another port, its data gone")
    with _behind_a_relay(at) as (way, app):

        def begin() -> None:
            at.collector.kill()

        def end() -> None:
            at.collector.empty()
            way.target = free_port()
            at.collector.start(way.target, COLLECTOR_OTLP_HTTP=f"127.0.0.1:{way.target}")

        _rounds(at, row, app, begin, end)
        at.collector.kill()
        usual = at.pipeline.state.ports["otlp_http"]
        at.collector.start(usual, COLLECTOR_OTLP_HTTP=f"127.0.0.1:{usual}")
    return row


@contextmanager
def _behind_a_relay(at: World) -> Iterator[tuple[Relay, Application]]:
    """An application that sends to the Collector by way of a relay."""
    with (
        relay(at.pipeline.state.ports["otlp_http"]) as way,
        at.application(endpoint=f"http://127.0.0.1:{way.port}") as app,
    ):
        yield way, app


def _end(at: World, row: Row, app: Application) -> None:
    """The end of the application within the fault."""
    app.ask(1)
    row.ended(app, at.end_seconds)


def _rounds(
    at: World, row: Row, app: Application, begin: Callable[[], None], end: Callable[[], None], *, begun: bool = False
) -> None:
    """Ask the application in turn with and without the fault, and count what has arrived in the end."""
    undisturbed, disturbed, memory = [], [], []
    app.ask(2)
    if begun:
        disturbed.append(app.ask(at.disturbed_seconds))
        end()
    for _ in range(at.rounds):
        undisturbed.append(app.ask(at.seconds))
        memory.append(app.memory())
        begin()
        disturbed.append(app.ask(at.disturbed_seconds))
        memory.append(app.memory())
        end()
    row.undisturbed, row.disturbed = undisturbed, disturbed
    row.memory = memory[0], max(memory)
    row.sent = f"{app.sent} requests, {2 * app.sent} spans"
    counted, spans = at.counted(app.job, app.sent), at.spans(app.job, 2 * app.sent)
    row.arrived = f"{counted:.0f} counted, {spans} spans"
    row.expect(f"{counted:.0f} of {app.sent} requests are counted", counted == app.sent)
    row.expect(f"{spans} of {2 * app.sent} spans have arrived", spans == 2 * app.sent)
    failed = sum(one.failed for one in disturbed)
    row.expect(f"{failed} requests failed", failed == 0)
    p99, most = sorted(one.p99 for one in disturbed)[len(disturbed) // 2], max(one.p99 for one in undisturbed)
    row.expect(f"p99 of {p99:.0f} ms, without the fault at most {most:.0f} ms", p99 <= most + at.noise_ms)
    row.expect(f"memory grew to {row.memory[1]:.0f} MB", row.memory[1] - row.memory[0] < at.growth_mb)
    row.faults.extend(app.faults())
