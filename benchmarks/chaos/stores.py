"""Redis and PostgreSQL are away or hang, and come back."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from tests.servers.ports import free_port
from tests.servers.postgresql import run_postgresql
from tests.servers.redis import run_redis

from .parts import Application, Row, last
from .world import World

HEALTH_SECONDS = 3.0
USERS = 20


def health(app: Application) -> tuple[int, dict[str, bool], float]:
    """The status, what each check says, and how long it took."""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{app.port}/monitoring/health", timeout=20) as response:
            status, body = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    checks = {name: check["healthy"] for name, check in json.loads(body)["checks"].items()}
    return status, checks, time.monotonic() - began


def told(app: Application, name: str, took: list[float]) -> bool:
    """Ask until a check fails; what it says then, and how long each answer took."""

    def ask() -> bool:
        _, checks, seconds = health(app)
        took.append(seconds)
        return checks[name]

    return last(ask, equals=False, seconds=15)


def helpers(app: Application, users: range) -> int:
    """Have each of some users be seen and a task of theirs end; how many requests failed."""
    return sum(app.ask(0.04, f"/helpers?user=user-{number}", 25).failed for number in users)


def is_well(app: Application, seconds: float = 30) -> bool:
    """Whether it says so within the time."""
    return last(lambda: health(app)[0], 200, seconds) == 200


@contextmanager
def begun(at: World, row: Row, **environ: str) -> Iterator[Application]:
    """An application that has used its stores and finds them healthy."""
    with at.application(**environ) as app:
        app.ask(0.1, "/asked")
        app.sent = 0
        row.expect("all is healthy at first", is_well(app, 20))
        yield app


def stores(at: World) -> Row:
    row = Row("PostgreSQL, then Redis frozen until health says so and 5 s more, then Redis killed and back empty")
    took: list[float] = []
    said: list[bool] = []
    with ExitStack() as stack:
        database = stack.enter_context(run_postgresql())
        port = free_port()
        first = ExitStack()
        server = first.enter_context(run_redis(port=port))
        environ = {"CHAOS_DATABASE": database.url("asyncpg"), "CHAOS_REDIS": server.url}
        app = stack.enter_context(begun(at, row, **environ))
        row.undisturbed = [app.ask(3, "/helpers?user=user-0") for _ in range(at.rounds)]
        failed, disturbed, seen = 0, [], 1
        for name, process in (("database", database.process), ("redis", server.process)):
            os.kill(process.pid, signal.SIGSTOP)
            try:
                said.append(told(app, name, took))
                disturbed.append(app.ask(5, "/helpers?user=user-0"))
                failed += helpers(app, range(seen, seen + USERS))
                seen += USERS
            finally:
                os.kill(process.pid, signal.SIGCONT)
            row.expect(f"{name} is healthy again", is_well(app))
        first.close()
        said.append(told(app, "redis", took))
        disturbed.append(app.ask(5, "/helpers?user=user-0"))
        failed += helpers(app, range(seen, seen + USERS))
        seen += USERS
        stack.enter_context(run_redis(port=port))
        row.expect("redis is healthy again", is_well(app))
        users = last(partial(at.value, f'max(daily_active_users{{job="{app.job}"}})'), seen)
        tasks = last(partial(at.value, f'sum(ai_tasks_total{{job="{app.job}",status="success"}})'), app.sent)
        row.disturbed = disturbed
        row.sent = f"{seen} users, {app.sent} tasks"
        row.arrived = f"{users:.0f} users, {tasks:.0f} tasks; health within {max(took):.1f} s"
        row.expect(f"health said healthy: {said}", not any(said))
        row.expect(f"health took {max(took):.1f} s", max(took) <= HEALTH_SECONDS)
        row.expect(f"{failed} requests failed", failed + sum(one.failed for one in disturbed) == 0)
        row.expect(f"{users} of {seen} users", users == seen)
        row.expect(f"{tasks} of {app.sent} tasks", tasks == app.sent)
        row.end = app.end()
        row.faults.extend(app.faults())
    return row
