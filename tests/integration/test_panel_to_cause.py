"""Why is this request slow: from the panel to an exemplar, to the trace, the statement that waited, and the log.

docs/panel-to-cause.md goes the same way by hand.
"""

import json
import re
import sqlite3
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import pytest

from dashboards.files import load, panels
from dashboards.variables import Window, replaced
from tests.servers.redis import run_redis
from tests.servers.uvicorn import uvicorn
from tests.until import until

pytestmark = pytest.mark.built

# More than the panel's bucket of a second, and less than the Collector waits for the rest of a trace.
LOCKED_SECONDS = 1.2


@pytest.fixture
def console(tmp_path):
    return tmp_path / "console.log"


@pytest.fixture
def example(pipeline, job, tmp_path, console):
    with run_redis() as redis, uvicorn("examples.wxiai.provider:app") as provider:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": pipeline.url("otlp_http"),
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_SERVICE_NAME": job,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "WXIAI_OTEL_TAIL_SAMPLING": "collector",
            "WXIAI_DATABASE_URL": f"sqlite:///{tmp_path / 'wxiai.db'}",
            "WXIAI_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
            "WXIAI_PROVIDER_URL": provider.url,
        }
        with (
            uvicorn("examples.wxiai.app:app", "--log-level", "info", env=environ, log=console) as server,
            httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client,
        ):
            client.headers["authorization"] = "Bearer token-7"
            yield client


def lock(database, locked: Event) -> None:
    """What another program does that writes for long."""
    with sqlite3.connect(database, isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        locked.set()
        time.sleep(LOCKED_SECONDS)
        connection.execute("ROLLBACK")


def ask(pipeline, path, **parameters):
    return json.loads(pipeline.get("prometheus", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))["data"]


def tags(span):
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def lines_of(trace_id, console):
    return [line for line in console.read_text().splitlines() if f"trace_id={trace_id}" in line]


def test_from_the_panel_to_the_statement_and_the_log(pipeline, job, example, tmp_path, console):
    for _ in range(5):
        assert example.post("/api/v1/credits/transfer", params={"to": 8, "amount": 1}).status_code == 200
    locked = Event()
    with ThreadPoolExecutor() as elsewhere:
        held = elsewhere.submit(lock, tmp_path / "wxiai.db", locked)
        assert locked.wait(5)
        assert example.post("/api/v1/credits/transfer", params={"to": 8, "amount": 5}).status_code == 200
        held.result()

    # The panel shows that something is slow ...
    (panel,) = [one for one in panels(load("wxiai-business")) if one["title"] == "API响应时间趋势"]
    (p95,) = [target for target in panel["targets"] if target["legendFormat"] == "p95"]
    assert p95["exemplar"]

    def shown(path, **more):
        window = Window(time.time() - 300, time.time() + 5)
        query = replaced(p95["expr"], {"job": [job], "instance": []}, window)
        return ask(pipeline, path, query=query, start=window.start, end=window.end, **more)

    def is_slow():
        series = shown("query_range", step=5)["result"]
        return any(float(value) > 1 for one in series for _, value in one["values"])

    until(is_slow)

    # ... a dot in it is that request ...
    def slow_dots():
        dots = [dot for series in shown("query_exemplars") for dot in series["exemplars"]]
        return {dot["labels"]["trace_id"] for dot in dots if float(dot["value"]) > 1}

    until(lambda: len(slow_dots()), equals=1)
    (trace_id,) = slow_dots()

    # ... whose trace ...
    spans = pipeline.whole_trace(trace_id)
    (request,) = [span for span in spans if not span["references"]]
    assert request["operationName"] == "POST /api/v1/credits/transfer"
    assert request["duration"] > 1e6

    # ... has the statement that took the time, with its text and without its values ...
    slowest = max((span for span in spans if span is not request), key=lambda span: span["duration"])
    assert slowest["duration"] > 0.8 * request["duration"]
    assert slowest["operationName"].startswith("UPDATE")
    assert tags(slowest)["db.query.text"] == "UPDATE users SET role=users.role WHERE users.id = ?"

    # ... and what the application has logged meanwhile has the same id, on the console ...
    lines = lines_of(trace_id, console)
    assert [re.sub(r".* span_id=\w{16} ", "", line) for line in lines[:2]] == [
        "user 7 gives 5 credits to user 8",
        "user 7 has 190 credits left",
    ]
    assert '"POST /api/v1/credits/transfer' in lines[2]
    assert len(lines) == 3
    assert f"span_id={request['spanID']}" in lines[0]

    # ... and where log records go by OTLP.
    received = pipeline.data / "logs" / "collector.log"
    until(lambda: received.read_text().count(f"Trace ID: {trace_id}"), equals=3)
