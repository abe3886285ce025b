"""Several workers, ended and begun anew under traffic: what Prometheus has is what was sent, by every label."""

import http.client
import os
import random
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.servers.uvicorn import gunicorn, uvicorn
from tests.until import until

pytestmark = [pytest.mark.built, pytest.mark.timeout(240)]

APP = "tests.integration.served:app"
# With each part but the first, a worker is ended.
PARTS, PART = 5, 800
REQUESTS = PARTS * PART
# What is sent, how often, and what it is counted as.
MIX = {
    ("GET", "/fast/1"): (70, ("GET", "/fast/{n}", "200", "anonymous")),
    ("GET", "/fast/x"): (12, ("GET", "/fast/{n}", "422", "anonymous")),
    ("POST", "/fast/1"): (8, ("POST", "/fast/{n}", "405", "anonymous")),
    ("GET", "/nowhere"): (8, ("GET", "unmatched", "404", "anonymous")),
    ("SEARCH", "/nowhere"): (2, ("other", "unmatched", "404", "anonymous")),
}


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
def test_thousands_of_requests_over_recycled_workers_are_each_counted(pipeline, job, serving):
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
        for number in range(PARTS):
            until(lambda: len(set(server.workers()) - set(ended)), 60, equals=4)
            answers = pool.map(lambda one: ask(server.port, *one), sent[number * PART : (number + 1) * PART])
            if number:
                # Amid the traffic.
                for _ in range(PART // 4):
                    next(answers)
                ended.append(next(pid for pid in server.workers() if pid not in ended))
                os.kill(ended[-1], signal.SIGTERM)
            list(answers)
    assert len(ended) == PARTS - 1

    expected = dict(Counter(MIX[one][1] for one in sent))
    labels = ("method", "endpoint", "status_code", "user_role")

    def totals():
        found = pipeline.query(f'sum by ({",".join(labels)}) (last_over_time(http_requests_total{{job="{job}"}}[1h]))')
        return {tuple(one["metric"][label] for label in labels): float(one["value"][1]) for one in found}

    until(totals, equals=expected)
    durations = f'sum(last_over_time(http_request_duration_seconds_count{{job="{job}"}}[1h]))'
    until(lambda: float(pipeline.query(durations)[0]["value"][1]), equals=REQUESTS)
