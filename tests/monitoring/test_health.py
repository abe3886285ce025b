"""Whether the application and what it needs are well, without becoming load or telling anybody too much."""

import asyncio
import json
import shutil
import sys
import threading
import time

import pytest
import redis
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.testclient import TestClient

from tests.asgi import get, request
from tests.monitoring.conftest import header, health, silent, until_health
from tests.scrape import scrape
from tests.servers.ports import free_port
from tests.servers.redis import run_redis
from tests.until import until
from wxiai_otel import setup_telemetry
from wxiai_otel.monitoring import HealthChecks

NOT_CONFIGURED = {"healthy": True, "message": "not configured", "latency_ms": None}


def select_1(engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


async def test_what_is_not_configured_says_so_and_does_not_fail(app):
    telemetry = setup_telemetry(app)
    status, content = await health(app)
    assert status == 200
    assert content["status"] == "healthy"
    assert content["timestamp"].endswith("+00:00")
    assert content["checks"] == dict.fromkeys(("database", "redis", "ai_services"), NOT_CONFIGURED)
    assert not scrape(telemetry).has("health_check_status")


async def test_what_is_configured_is_checked_and_has_a_latency(app, tmp_path):
    setup_telemetry(app)
    engine = create_engine(f"sqlite:///{tmp_path}/x.db")
    select_1(engine)
    status, content = await health(app)
    found = content["checks"]["database"]
    assert (status, found["healthy"], found["message"]) == (200, True, "ok"), "as soon as it is used"
    assert 0 <= found["latency_ms"] < 2_000


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_database_that_is_gone_is_503_and_says_nothing_of_where_it_was(app, tmp_path, kind):
    folder = tmp_path / "hunter2"
    folder.mkdir()
    telemetry = setup_telemetry(app, health_cache=0.01, health_interval=0.1)
    if kind == "sync":
        select_1(engine := create_engine(f"sqlite:///{folder}/x.db"))
    else:
        engine = create_async_engine(f"sqlite+aiosqlite:///{folder}/x.db")
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        await engine.dispose()
    assert (await health(app))[0] == 200
    shutil.rmtree(folder)
    content = await until_health(app, 503)
    assert content["status"] == "unhealthy"
    assert content["checks"]["database"]["message"] == "failed: OperationalError"
    assert "hunter2" not in json.dumps(content)
    gauge = lambda: scrape(telemetry).series("health_check_status", "check") == {("database",): 0}  # noqa: E731
    assert await asyncio.to_thread(until, gauge)
    assert engine is not None


async def test_a_redis_that_stops_is_503_and_one_that_is_back_200(app):
    setup_telemetry(app, health_cache=0.01)
    port = free_port()
    with run_redis(port=port):
        redis.Redis(port=port).ping()
        assert (await health(app))[1]["checks"]["redis"]["message"] == "ok"
    content = await until_health(app, 503)
    assert content["checks"]["redis"]["message"] == "failed: ConnectionError"
    assert str(port) not in json.dumps(content)
    with run_redis(port=port):
        await until_health(app, 200)


async def test_liveness_asks_nothing(app):
    setup_telemetry(app, health_checks={"broken": lambda: 1 / 0})
    status, content = await health(app, "?live")
    assert (status, content["status"], set(content)) == (200, "healthy", {"status", "timestamp"})
    assert (await health(app))[0] == 503


async def test_it_is_read_only(app):
    setup_telemetry(app)
    assert (await request(app, "HEAD", "/monitoring/health")).status == 200
    refused = await request(app, "POST", "/monitoring/health")
    assert (refused.status, header(refused, "allow")) == (405, "GET, HEAD")
    assert header(await get(app, "/monitoring/health"), "cache-control") == "no-store"


@pytest.mark.parametrize(
    ("check", "healthy", "message"),
    [
        (lambda: None, True, "ok"),
        (lambda: True, True, "ok"),
        (lambda: "12 jobs", True, "12 jobs"),
        (lambda: False, False, "failed"),
        (lambda: {}["hunter2"], False, "failed: KeyError"),
        (lambda: sys.exit("hunter2"), False, "failed: RuntimeError"),
    ],
)
async def test_a_check_of_the_application_returns_or_raises(app, check, healthy, message):
    telemetry = setup_telemetry(app, health_checks={"queue": check})
    status, content = await health(app)
    assert status == (200 if healthy else 503)
    found = content["checks"]["queue"]
    assert (found["healthy"], found["message"]) == (healthy, message)
    assert scrape(telemetry).series("health_check_status", "check") == {("queue",): float(healthy)}


async def test_a_check_can_be_added_later_and_replaces_one_of_its_name(app):
    telemetry = setup_telemetry(app, health_cache=0.01)
    telemetry.add_health_check("queue", lambda: False)
    assert (await health(app))[0] == 503
    telemetry.add_health_check("queue", lambda: "better")
    assert (await health(app))[1]["checks"]["queue"]["message"] == "better"


def test_adding_a_check_waits_for_none_that_is_being_made(app):
    begun, gate = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert gate.wait(60)

    telemetry = setup_telemetry(app, health_checks={"slow": slow}, health_timeout=60)
    assert begun.wait(30)
    telemetry.add_health_check("queue", lambda: None)
    assert not gate.is_set()
    gate.set()


def test_a_coroutine_function_is_checked_in_the_event_loop_of_the_application(app):
    loops = []

    async def check():
        loops.append(asyncio.get_running_loop())

    @app.get("/loop")
    async def loop():
        return id(asyncio.get_running_loop())

    setup_telemetry(app, health_checks={"queue": check}, health_cache=0.01)
    with TestClient(app) as client:
        current = client.get("/loop").json()
        loops.clear()
        time.sleep(0.02)
        assert client.get("/monitoring/health").status_code == 200
        assert {id(loop) for loop in loops} == {current}


async def test_checks_are_made_side_by_side_and_each_has_its_own_latency(app):
    all_of_them = threading.Barrier(3)

    def slow():
        all_of_them.wait(30)
        time.sleep(0.4)

    checks = {"a": slow, "b": slow, "c": slow, "quick": lambda: None}
    setup_telemetry(app, health_checks=checks, health_interval=60, health_timeout=60)
    status, content = await health(app)
    assert status == 200
    assert content["checks"]["a"]["latency_ms"] >= 400
    assert content["checks"]["quick"]["latency_ms"] < content["checks"]["a"]["latency_ms"]


async def test_one_that_hangs_fails_after_its_time_and_gathers_no_threads(app):
    gate, calls = threading.Event(), []

    def hangs():
        calls.append(1)
        gate.wait()

    async def hangs_too():
        await asyncio.Event().wait()

    setup_telemetry(
        app,
        health_checks={"hangs": hangs, "too": hangs_too, "well": lambda: None},
        health_timeout=0.2,
        health_cache=0.001,
        health_interval=0.05,
    )
    status, content = await health(app)
    assert status == 503
    healthy = {name: found["healthy"] for name, found in content["checks"].items()}
    assert (healthy["hangs"], healthy["too"], healthy["well"]) == (False, False, True)
    assert content["checks"]["hangs"]["message"] == "no answer within 0.2 s"
    threads = set(threading.enumerate())
    for _ in range(probes := 10):
        await get(app, "/monitoring/health")
    more = set(threading.enumerate()) - threads
    assert sum("_ask" in thread.name for thread in more) <= 3, "one for each check"
    assert len(more) < probes
    assert len(calls) == 1
    gate.set()


async def test_with_the_default_time_a_prober_waits_two_seconds_at_most(app):
    gate = threading.Event()
    setup_telemetry(app, health_checks={"hangs": gate.wait}, ai_probes={"kling": gate.wait})
    for _ in range(2):
        started = time.monotonic()
        _, content = await health(app)
        assert time.monotonic() - started < 30
    assert content["checks"]["hangs"]["message"] == "no answer within 2 s"
    assert content["checks"]["ai_services"]["message"] == "no answer from kling"
    gate.set()


async def test_a_thousand_probes_at_once_make_one_check(app):
    calls = []
    telemetry = setup_telemetry(app, health_cache=60, health_interval=60, health_timeout=60)
    telemetry.add_health_check("queue", lambda: calls.append(time.sleep(0.05)))
    answers = await asyncio.gather(*(get(app, "/monitoring/health") for _ in range(1_000)))
    assert {answer.status for answer in answers} == {200}
    assert len(calls) == 1


async def test_a_prober_that_leaves_does_not_end_the_check_for_the_others(app):
    begun, gate = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert gate.wait(60)

    telemetry = setup_telemetry(app, health_interval=60, health_timeout=60)
    telemetry.add_health_check("slow", slow)
    first = asyncio.create_task(get(app, "/monitoring/health"))
    second = asyncio.create_task(health(app))
    await asyncio.to_thread(begun.wait, 30)
    first.cancel()
    await asyncio.wait([first])
    gate.set()
    assert (await second)[0] == 200


async def test_our_own_questions_are_neither_counted_nor_traced(app, spans, tmp_path, redis_server):
    telemetry = setup_telemetry(app, health_cache=0.001, health_interval=0.05, state_redis="memory")
    client = redis.Redis(port=redis_server.port)
    client.set("a", 1)
    engine = create_engine(f"sqlite:///{tmp_path}/x.db")
    select_1(engine)
    for _ in range(5):
        assert (await health(app))[0] == 200
        await asyncio.sleep(0.05)
    seen = scrape(telemetry)
    assert redis_server.command_calls()["ping"] > 3
    assert seen.value("cache_operations_total") == 1
    assert seen.value("db_query_duration_seconds_count") == 1
    assert seen.value("http_requests_total") == 0
    assert len(spans.get_finished_spans()) == 2
    assert seen.series("health_check_status", "check") == {("database",): 1, ("redis",): 1}


@pytest.mark.parametrize(
    ("path", "healthy"), [("/200", True), ("/401", True), ("/404", True), ("/500", False), ("/503", False)]
)
async def test_an_ai_service_that_answers_by_http_is_well_unless_it_says_otherwise(app, provider, path, healthy):
    setup_telemetry(app, ai_probes={"kling": provider.url + path, "flux": provider.url + "/200"})
    status, content = await health(app)
    assert status == (200 if healthy else 503)
    assert content["checks"]["ai_services"]["message"] == ("ok" if healthy else "no answer from kling")
    assert sorted(set(provider.asked)) == sorted({path, "/200"})


@pytest.mark.parametrize("scheme", ["http", "tcp"])
async def test_an_ai_service_that_refuses_connections_is_down(app, scheme):
    port = free_port()
    setup_telemetry(app, ai_probes={"kling": f"{scheme}://127.0.0.1:{port}"})
    status, content = await health(app)
    assert (status, content["checks"]["ai_services"]["message"]) == (503, "no answer from kling")
    assert str(port) not in json.dumps(content)


async def test_an_ai_service_that_accepts_and_says_nothing_is_down_by_http_and_up_by_tcp(app):
    with silent() as port:
        probes = {"kling": f"http://127.0.0.1:{port}", "flux": f"tcp://127.0.0.1:{port}"}
        setup_telemetry(app, ai_probes=probes, health_timeout=0.3)
        _, content = await health(app)
        assert content["checks"]["ai_services"]["message"] == "no answer from kling"


async def test_an_ai_service_may_be_asked_by_a_callable(app):
    async def raises():
        raise LookupError("hunter2")

    async def well():
        pass

    probes = {"kling": raises, "flux": well, "jimeng": lambda: False, "midjourney": lambda: None}
    setup_telemetry(app, ai_probes=probes)
    _, content = await health(app)
    assert content["checks"]["ai_services"]["message"] == "no answer from jimeng, kling"
    assert "hunter2" not in json.dumps(content)


async def test_where_telemetry_is_disabled_it_answers_all_the_same(app):
    telemetry = setup_telemetry(app, disabled=True, health_checks={"queue": lambda: False})
    assert (await health(app))[0] == 503
    telemetry.add_health_check("queue", lambda: None)
    assert (await health(app))[0] == 200


@pytest.mark.faulty
async def test_a_fault_in_the_background_changes_no_answer(app, monkeypatch):
    def broken(*args):
        raise RuntimeError

    monkeypatch.setattr(HealthChecks, "_look", broken)
    monkeypatch.setattr(HealthChecks, "observe", broken)
    setup_telemetry(app)
    assert (await health(app))[0] == 200
    assert (await get(app, "/monitoring/metrics")).status == 200
