"""What is behind the Collector is away, and the Collector is killed meanwhile."""

import time

from benchmarks.detection.sinks import CHANNELS

from .parts import Application, Row, last
from .world import World


def jaeger(at: World) -> Row:
    row = Row(f"Jaeger down for {at.outage_seconds:.0f} s, the Collector killed meanwhile")
    with at.application() as app:
        app.ask(2)
        first = 2 * app.sent
        row.expect("the spans before it have arrived", at.spans(app.job, first) == first)
        _outage(at, app, "jaeger")
        app.ask(2)
        spans = at.spans(app.job, 2 * app.sent, 120)
        twice = at.accepted() - (spans - first)
        counted = at.counted(app.job, app.sent)
        row.sent = f"{app.sent} requests, {2 * app.sent} spans"
        row.arrived = f"{counted:.0f} counted, {spans} spans, {twice:.0f} twice"
        row.expect(f"{spans} of {2 * app.sent} spans have arrived", spans == 2 * app.sent)
        row.expect(f"{counted:.0f} of {app.sent} requests are counted", counted == app.sent)
        row.end = app.end()
        row.faults.extend(app.faults())
    return row


def prometheus(at: World) -> Row:
    row = Row(f"Prometheus down for {at.outage_seconds:.0f} s, the Collector killed meanwhile")
    with at.application() as app:
        app.ask(2)
        _outage(at, app, "prometheus")
        counted = at.counted(app.job, app.sent)
        row.sent, row.arrived = f"{app.sent} requests", f"{counted:.0f} counted"
        row.expect(f"{counted:.0f} of {app.sent} requests are counted", counted == app.sent)
        row.end = app.end()
        row.faults.extend(app.faults())
    return row


def _outage(at: World, app: Application, part: str) -> None:
    """A part is away while the application is asked; half-way through the Collector is killed."""
    at.parts[part].kill()
    app.ask(at.outage_seconds / 2)
    at.collector.kill()
    at.collector.start()
    app.ask(at.outage_seconds / 2)
    at.parts[part].start()


def alerting(at: World) -> Row:
    """The Collector dies while nobody is there who could tell: it is told once they are back."""
    row = Row(f"Alertmanager and bridge down for {at.outage_seconds:.0f} s, the Collector dead", sent="`CollectorDown`")
    since = time.time()
    for name in ("alertmanager", "bridge"):
        at.parts[name].kill()
    at.collector.kill()
    time.sleep(at.outage_seconds)
    for name in ("bridge", "alertmanager"):
        at.parts[name].start()
    back = time.time()

    def told() -> dict[str, int]:
        pages = [one for one in at.sinks.all() if one.at > since and "CollectorDown" in one.names and not one.resolved]
        return {channel: sum(one.channel == channel for one in pages) for channel in CHANNELS}

    last(lambda: all(told().values()), equals=True, seconds=120)
    took = time.time() - back
    # As long as it would take to tell it twice.
    time.sleep(30)
    pages = told()
    at.collector.start()
    row.arrived = f"{', '.join(f'{channel} {count}' for channel, count in pages.items())}; {took:.0f} s after"
    row.expect(f"pages: {pages}", set(pages.values()) == {1})
    return row
