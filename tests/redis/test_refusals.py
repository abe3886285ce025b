"""A Redis that refuses our user or its commands is queried with growing pauses, over connections that stay open."""

import asyncio
import time

import pytest
import redis
from fastapi import FastAPI

from tests.monitoring.conftest import health
from tests.redis.internals import _backoff
from tests.scrape import scrape
from tests.servers.redis import run_redis
from tests.until import until
from wxiai_otel import complete_ai_task, record_user_activity, setup_telemetry, start_ai_task

REFUSED = {
    # Only the application's commands are allowed.
    "commands": ("+@connection +get +set", "", "ok"),
    "all commands": ("-@all", "", "ok"),
    "writing": ("+@all -@write", "", "ok"),
    "keys": ("+@all resetkeys ~shop:*", "", "ok"),
    "password": ("+@all", "wrong", "failed: AuthenticationError"),
}


@pytest.fixture(scope="module")
def locked():
    with run_redis() as redis_server:
        yield redis_server


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_refused_command_is_sent_with_growing_pauses(locked, kind, caplog):
    rules, password, message = REFUSED[kind]
    locked.ask("ACL", "SETUSER", "shop", "reset", "on", ">secret", "~*", "&*", *rules.split())
    app = FastAPI()
    url = f"redis://shop:{password or 'secret'}@127.0.0.1:{locked.port}/0"
    before = locked.connections()
    setup_telemetry(
        app,
        redis_client=url,
        redis_poll_interval=0.02,
        health_interval=0.02,
        health_cache=0.001,
        workers_folder="none",
        task_secret="secret",
    )
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        record_user_activity(f"u{time.monotonic()}")
        complete_ai_task(start_ai_task("kling").token, "success")
        _, content = await health(app)
        await asyncio.sleep(0.02)
    assert content["checks"]["redis"]["message"] == message
    # Four kinds of queries have a connection each. A wrong password closes it: after 0 and 1 s.
    assert locked.connections() - before <= (4 if not password else 8)
    warnings = [record.getMessage() for record in caplog.records if record.name == "wxiai_otel"]
    assert len(warnings) == len(set(warnings)) <= 3, warnings


def test_a_command_that_is_allowed_again_works_again(locked, monkeypatch):
    monkeypatch.setattr(_backoff, "LONGEST_SECONDS", 0.2)
    monkeypatch.setattr(_backoff, "FIRST_SECONDS", 0.1)
    locked.ask("ACL", "SETUSER", "shop", "reset", "on", ">secret", "~*", "+@all", "-info")
    telemetry = setup_telemetry(
        FastAPI(), redis_client=f"redis://shop:secret@127.0.0.1:{locked.port}/0", redis_poll_interval=0.02
    )
    time.sleep(0.3)
    assert not scrape(telemetry).has("cache_size_bytes")
    locked.ask("ACL", "SETUSER", "shop", "+info")
    assert until(lambda: scrape(telemetry).has("cache_size_bytes"))


def test_pauses_double_up_to_a_limit_and_end_with_a_reply(monkeypatch):
    now = 1_000.0
    monkeypatch.setattr(_backoff.time, "monotonic", lambda: now)
    backoff, pauses = _backoff.Backoff(), []
    for _ in range(10):
        backoff.wait_over()
        backoff.refused(redis.AuthenticationError("no"))
        began = now
        while True:
            try:
                backoff.wait_over()
            except redis.AuthenticationError:
                now += 0.5
            else:
                break
        pauses.append(now - began)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 120, 120, 120]
    backoff.answered()
    # Those of several threads that had asked at the same time are one refusal.
    for _ in range(3):
        backoff.refused(redis.AuthenticationError("no"))
    now += 1
    backoff.wait_over()
