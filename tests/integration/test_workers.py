"""Several workers, ended and begun anew under traffic: what Prometheus has is what was sent, by every label."""

import http.client
import os
import random
import re
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.servers.uvicorn import gunicorn, uvicorn
from tests.until import until

pytestmark = [pytest.mark.built, pytest.mark.timeout(240)]

APP = "tests.integration.served:app"
REQUESTS = 10_000
# With each but the first, a worker is ended.
PARTS = 5
# What is sent, how often, and what it is counted as.
MIX = {
    ("GET", "/fast/1"): (70, ("GET", "/fast/{n}", "200", "anonymous")),
    ("GET", "/fast/x"): (12, ("GET", "/fast/{n}", "422", "anonymous")),
    ("POST", "/fast/1"): (8, ("POST", "/fast/{n}", "405", "anonymous")),
    ("GET", "/nowhere"): (8, ("GET", "unmatched", "404", "anonymous")),
    ("SEARCH", "/nowhere"): (2, ("other", "unmatched", "404", "anonymous")),
}


def workers_of(parent: int) -> list[int]:
    """The processes that serve: another child of uvicorn's is multiprocessing's resource tracker."""
    children = map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    return [pid for pid in children if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def serves(pid: int) -> bool:
    """Whether a worker has begun, rather than still importing: uvicorn handles SIGTERM from then on."""
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())[1]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def end_one(parent: int, ended: list[int]) -> int:
    """End one of four workers in order."""

    def four() -> list[int]:
        running = [pid for pid in workers_of(parent) if pid not in ended]
        return running if len(running) == 4 and all(map(serves, running)) else []

    first = until(four, 60)[0]
    os.kill(first, signal.SIGTERM)
    return first


def ask(port: int, method: str, path: str) -> None:
    """One request, sent again where the worker ended before it had read it."""
    for _ in range(10):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path, headers={"connection": "close"})
            connection.getresponse().read()
        except (ConnectionError, http.client.RemoteDisconnected):
            continue
        finally:
            connection.close()
        return
    raise AssertionError("no answer")


@pytest.mark.parametrize(
    "serving",
    [partial(uvicorn, APP, "--workers", "4"), partial(gunicorn, APP, "--workers", "4", "--preload")],
    ids=["uvicorn", "gunicorn with preload"],
)
def test_ten_thousand_requests_over_recycled_workers_are_each_counted(pipeline, job, serving):
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": pipeline.url("otlp_http"),
        "OTEL_SERVICE_NAME": job,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_TRACES_EXPORTER": "none",
        # Workers that begin again need not compile again.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    sent = random.choices(list(MIX), [weight for weight, _ in MIX.values()], k=REQUESTS)
    ended: list[int] = []
    with serving(env=environ) as server, ThreadPoolExecutor(8) as pool:
        for part in range(0, REQUESTS, REQUESTS // PARTS):
            answers = pool.map(lambda one: ask(server.port, *one), sent[part : part + REQUESTS // PARTS])
            if part:
                ended.append(end_one(server.process.pid, ended))
            list(answers)
        time.sleep(1)
    assert len(ended) == PARTS - 1

    expected = dict(Counter(MIX[one][1] for one in sent))
    labels = ("method", "endpoint", "status_code", "user_role")

    def totals():
        found = pipeline.query(f'sum by ({",".join(labels)}) (last_over_time(http_requests_total{{job="{job}"}}[1h]))')
        return {tuple(one["metric"][label] for label in labels): float(one["value"][1]) for one in found}

    until(totals, equals=expected)
    durations = f'sum(last_over_time(http_request_duration_seconds_count{{job="{job}"}}[1h]))'
    until(lambda: float(pipeline.query(durations)[0]["value"][1]), equals=REQUESTS)
