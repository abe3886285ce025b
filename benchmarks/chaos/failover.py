"""Redis and PostgreSQL are slow, die, and come back as another server, at an address that stays."""

import os
import signal
from contextlib import ExitStack
from functools import partial

from tests.servers.postgresql import run_postgresql
from tests.servers.redis import RedisServer, run_redis
from tests.until import until

from .parts import Application, Row, last
from .relay import relay
from .stores import HEALTH_SECONDS, USERS, begun, health, helpers, is_well, told
from .world import World

SLOW_SECONDS = 0.2
SILENT_SECONDS = 6.0


# A primary that does not wait for further replicas.
_AT_ONCE = ("--repl-diskless-sync-delay", "0")


def _replica(stack: ExitStack, of: RedisServer) -> RedisServer:
    """A server that has what another has."""
    server = stack.enter_context(run_redis(*_AT_ONCE, "--replicaof", f"127.0.0.1 {of.port}"))
    until(lambda: "master_link_status:up" in server.ask("INFO", "replication"), 20)
    return server


def redis(at: World) -> Row:
    row = Row(
        "Redis slow, then killed and its replica promoted, then a planned switch that leaves the old one read-only"
    )
    took: list[float] = []
    with ExitStack() as stack:
        first = stack.enter_context(run_redis(*_AT_ONCE))
        second = _replica(stack, first)
        way = stack.enter_context(relay(first.port))
        app = stack.enter_context(begun(at, row, CHAOS_REDIS=f"redis://127.0.0.1:{way.port}/0"))
        row.undisturbed = [app.ask(at.seconds, "/helpers?user=user-0")]
        failed, seen = 0, 1

        def more_users() -> None:
            nonlocal failed, seen
            failed += helpers(app, range(seen, seen + USERS))
            seen += USERS

        def users_told() -> float:
            return at.value(f'max(daily_active_users{{job="{app.job}"}})')

        way.delay = SLOW_SECONDS
        row.expect("it is healthy while it is slow", health(app)[0] == 200)
        disturbed = [app.ask(at.seconds, "/helpers?user=user-0")]
        more_users()
        way.delay = 0
        os.kill(first.process.pid, signal.SIGKILL)
        row.expect("health says healthy of a dead Redis", not told(app, "redis", took))
        disturbed.append(app.ask(at.seconds, "/helpers?user=user-0"))
        more_users()
        second.ask("REPLICAOF", "NO", "ONE")
        way.target = second.port
        row.expect("it is healthy with the replica", is_well(app))
        more_users()
        told_so_far = last(users_told, seen, 30)
        row.expect(f"{told_so_far} of {seen} users with the replica", told_so_far == seen)
        third = _replica(stack, second)
        third.ask("REPLICAOF", "NO", "ONE")
        second.ask("REPLICAOF", "127.0.0.1", str(third.port))
        # Connections that are open stay with the old one, which takes no writes any more.
        way.target = third.port
        disturbed.append(app.ask(at.seconds, "/helpers?user=user-0"))
        more_users()
        row.disturbed = disturbed
        row.expect("it is healthy after the switch", is_well(app))
        users = last(users_told, seen)
        tasks = last(partial(at.value, f'sum(ai_tasks_total{{job="{app.job}",status="success"}})'), app.sent)
        row.sent = f"{seen} users, {app.sent} tasks"
        row.arrived = f"{users:.0f} users, {tasks:.0f} tasks; health within {max(took):.1f} s"
        row.expect(f"{users} of {seen} users", users == seen)
        row.expect(f"{tasks} of {app.sent} tasks", tasks == app.sent)
        _felt(at, row, app, failed, took)
    return row


def postgresql(at: World) -> Row:
    row = Row("PostgreSQL slow, then silent, then killed and another one at its address, then all connections ended")
    took: list[float] = []
    with ExitStack() as stack:
        first, second = (stack.enter_context(run_postgresql()) for _ in range(2))
        way = stack.enter_context(relay(first.port))
        url = f"postgresql+asyncpg://postgres@127.0.0.1:{way.port}/shop"
        app = stack.enter_context(begun(at, row, CHAOS_DATABASE=url))
        row.undisturbed = [app.ask(at.seconds)]
        way.delay = SLOW_SECONDS
        took.append(health(app)[2])
        disturbed = [app.ask(at.seconds)]
        way.delay = SILENT_SECONDS
        row.expect("health says healthy of a silent database", not told(app, "database", took))
        disturbed.append(app.ask(at.seconds))
        way.delay = 0
        row.expect("it is healthy once it answers", is_well(app))
        os.kill(first.process.pid, signal.SIGKILL)
        row.expect("health says healthy of a dead database", not told(app, "database", took))
        disturbed.append(app.ask(at.seconds))
        way.target = second.port
        row.expect("it is healthy with the other one", is_well(app))
        second.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        row.expect("it is healthy after its connections were ended", is_well(app))
        row.disturbed = disturbed
        counted = at.counted(app.job, app.sent)
        row.sent, row.arrived = f"{app.sent} requests", f"{counted:.0f} counted; health within {max(took):.1f} s"
        row.expect(f"{counted:.0f} of {app.sent} requests are counted", counted == app.sent)
        _felt(at, row, app, 0, took)
    return row


def _felt(at: World, row: Row, app: Application, failed: int, took: list[float]) -> None:
    """No request has failed or waited for a store, health has kept its time, and the end is in order."""
    failed += sum(one.failed for one in row.disturbed)
    row.expect(f"{failed} requests failed", failed == 0)
    usual, slowest = (max(one.p50 for one in felt) for felt in (row.undisturbed, row.disturbed))
    row.expect(f"half of the requests took {slowest:.0f} ms", slowest <= usual + at.noise_ms)
    row.expect(f"health took {max(took):.1f} s", max(took) <= HEALTH_SECONDS)
    row.ended(app, at.end_seconds)
    row.faults.extend(app.faults())
