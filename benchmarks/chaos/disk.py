"""The disk of the Collector's queue is full when the queue is needed, and there is room again."""

import uuid

from tests.servers.disk import Disk, can_mount, disk

from .parts import Row, last
from .world import World

MIB = 2**20
ALERT = 'ALERTS{alertname="CollectorDropping", alertstate="firing"}'


def full(at: World) -> Row:
    """Another one's file takes all space while Jaeger is down: as it comes, then with the queue's file reserved."""
    row = Row("Jaeger down and the Collector's disk full; then again, the queue's file reserved")
    if not can_mount():
        row.arrived = "not tested: a small disk needs root"
        return row
    with disk(at.folder / f"disk-{uuid.uuid4().hex[:8]}", 8 * MIB) as small:
        at.collector.kill()
        at.collector.start(COLLECTOR_DATA=str(small.folder))
        try:
            lost, told = _outage(at, row, small)
            row.expect("the alert CollectorDropping tells", told)
            at.collector.kill()
            small.reserve(4 * MIB)
            at.collector.start(COLLECTOR_DATA=str(small.folder))
            lost_of_reserved, _ = _outage(at, row, small)
            row.expect(f"{lost_of_reserved} spans are lost with the file reserved", not lost_of_reserved)
            row.arrived = f"all counted, {lost} spans lost; reserved: all counted, {lost_of_reserved} spans lost"
        finally:
            at.collector.kill()
            at.collector.start(COLLECTOR_DATA=str(at.pipeline.data / "collector"))
    return row


def _outage(at: World, row: Row, small: Disk) -> tuple[int, bool]:
    """The spans that are lost for good, and whether an alert has told."""
    with at.application() as app:
        row.undisturbed = [*row.undisturbed, app.ask(at.seconds)]
        small.fill()
        at.parts["jaeger"].kill()
        try:
            felt = app.ask(at.disturbed_seconds)
            told = last(lambda: bool(at.pipeline.query(ALERT)), equals=True, seconds=10)
        finally:
            at.parts["jaeger"].start()
            small.free()
        row.disturbed = [*row.disturbed, felt]
        row.expect(f"{felt.failed} requests failed", felt.failed == 0)
        counted = at.counted(app.job, app.sent)
        row.expect(f"{counted:.0f} of {app.sent} requests are counted", counted == app.sent)
        lost = 2 * app.sent - at.spans(app.job, 2 * app.sent, 20)
        # As before, once there is room.
        before = app.sent
        app.ask(at.seconds)
        arrived = at.spans(app.job, 2 * app.sent - lost)
        row.expect("what comes afterwards arrives", arrived == 2 * app.sent - lost)
        row.sent = f"{row.sent}{'; ' if row.sent else ''}{before} requests, {2 * before} spans"
        row.ended(app, at.end_seconds)
        row.faults.extend(app.faults())
    return lost, told
