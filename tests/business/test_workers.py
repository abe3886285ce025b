"""AI tasks of one process that others end: each is counted once, by the sum of all processes' last exports."""

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.business.worker import ROLES, SERVICES, status_of
from tests.otlp import Received, http_receiver
from tests.servers.ports import free_port
from tests.servers.redis import run_redis
from tests.until import until

TASKS = 10_000
SECRET = "a secret that all processes share"


def total(received: Received, name: str, *keys: str) -> Counter:
    """The sum over all processes of what each has exported last, by attributes."""
    last = {}
    for request in received.metrics:
        for resource in request.resource_metrics:
            instance = next(
                a.value.string_value for a in resource.resource.attributes if a.key == "service.instance.id"
            )
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        last[instance] = getattr(metric, metric.WhichOneof("data")).data_points
    found = Counter()
    for points in last.values():
        for point in points:
            attributes = {a.key: a.value.string_value for a in point.attributes}
            count = getattr(point, "count", None)
            found[tuple(attributes.get(key) for key in keys)] += (
                count if count is not None else point.as_int or point.as_double
            )
    return +found


@pytest.fixture
def received() -> Iterator[Received]:
    with http_receiver() as received:
        yield received


class Worker:
    def __init__(self, received: Received, where: str, *arguments: object, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.business.worker", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "WORKER_REDIS": where,
                "OTEL_EXPORTER_OTLP_ENDPOINT": received.url,
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_METRIC_EXPORT_INTERVAL": "200",
                "WXIAI_OTEL_TASK_SECRET": SECRET,
                **env,
            },
        )
        self.given: list[str] = []

    def give(self, tokens: list[str]) -> None:
        self.given += tokens
        self.process.stdin.write("".join(f"{token}\n" for token in tokens))
        self.process.stdin.flush()

    def until_paused(self) -> None:
        assert self.process.stdout.readline() == "paused\n"

    def left(self) -> list[str]:
        """End it, and give back what it has not sent."""
        self.process.terminate()
        self.process.stdin.close()
        done = int(self.process.stdout.readline())
        assert self.process.wait(30) == 0
        return self.given[done:]

    def finish(self) -> None:
        self.process.stdin.close()
        assert int(self.process.stdout.readline()) == len(self.given)
        assert self.process.wait(30) == 0


def submit(received: Received, where: str, count: int, **env: str) -> list[str]:
    submitter = Worker(received, where, "submit", count, **env)
    output, _ = submitter.process.communicate(timeout=100)
    assert submitter.process.returncode == 0
    return output.split()


@contextmanager
def workers(received: Received, where: str, *pauses: int, **env: str) -> Iterator[list[Worker]]:
    running = [Worker(received, where, "complete", pause, **env) for pause in pauses]
    try:
        yield running
    finally:
        for worker in running:
            worker.process.kill()
            worker.process.wait()
            worker.process.stdin.close()
            worker.process.stdout.close()


def doubled_and_tripled(tokens: list[str], shares: int = 4) -> list[list[str]]:
    """Two or three callbacks for each, in no order, for so many workers."""
    callbacks = [token for n, token in enumerate(tokens) for _ in range(2 + n % 2)]
    random.Random(0).shuffle(callbacks)
    return [callbacks[n::shares] for n in range(shares)]


def expected_ends(tokens: list[str]) -> Counter:
    return Counter((SERVICES[n % 2], status_of(token), ROLES[n % 3]) for n, token in enumerate(tokens))


def ends(received: Received) -> Counter:
    found = total(received, "ai.tasks", "service", "status", "user.role")
    return Counter({labels: count for labels, count in found.items() if labels[1] != "pending"})


@pytest.mark.long
def test_ended_is_submitted_though_a_worker_is_told_to_end_in_between(received, redis_server):
    where = f"single:{redis_server.port}"
    tokens = submit(received, where, TASKS)
    shares = doubled_and_tripled(tokens)
    with workers(received, where, len(shares[0]) // 2, 0, 0, 0) as (first, *others):
        first.give(shares[0][: len(shares[0]) // 2])
        for worker, share in zip(others, shares[1:], strict=True):
            worker.give(share)
        first.until_paused()
        first.given += shares[0][len(shares[0]) // 2 :]
        others[0].give(first.left())
        for worker in others:
            worker.finish()

    expected = expected_ends(tokens)
    assert total(received, "ai.tasks.submitted", "service") == {("flux",): TASKS // 2, ("kling",): TASKS // 2}
    assert ends(received) == expected
    assert total(received, "ai.task.duration", "service", "mode") == {
        ("flux", "video"): TASKS // 2,
        ("kling", "video"): TASKS // 2,
    }
    failed = Counter()
    for (service, status, _), count in expected.items():
        if status == "failed":
            failed[service, "rejected"] += count
    assert total(received, "ai.service.failures", "service", "error.type") == failed
    assert total(received, "application.errors", "component", "error.type") == {
        (f"ai_service_{service}", error): count for (service, error), count in failed.items()
    }


@pytest.mark.long
def test_when_a_worker_is_killed_no_more_is_counted_than_was_submitted(received, redis_server):
    where = f"single:{redis_server.port}"
    tokens = submit(received, where, 2000)
    shares = doubled_and_tripled(tokens)
    half = len(shares[0]) // 2
    with workers(received, where, half, 0, 0, 0) as (first, *others):
        first.give(shares[0][:half])
        first.until_paused()
        first.process.kill()
        others[0].give(shares[0][half:])
        for worker, share in zip(others, shares[1:], strict=True):
            worker.give(share)
            worker.finish()

    ended, expected = ends(received), expected_ends(tokens)
    assert ended <= expected
    assert expected.total() - half <= ended.total() <= expected.total()


@pytest.mark.parametrize("kind", ["cluster", "sentinel"])
@pytest.mark.long
def test_a_cluster_and_a_sentinel_are_a_redis_too(received, kind, request):
    if kind == "cluster":
        where = f"cluster:{request.getfixturevalue('redis_cluster').port}"
        _two_workers_end_what_one_has_submitted(received, where)
        return
    master = request.getfixturevalue("redis_server")
    port = free_port()
    monitor = f"sentinel monitor mymaster 127.0.0.1 {master.port} 1"
    with run_redis(monitor, port=port, sentinel=True):
        _two_workers_end_what_one_has_submitted(received, f"sentinel:{port}")


def _two_workers_end_what_one_has_submitted(received: Received, where: str) -> None:
    tokens = submit(received, where, 1000)
    with workers(received, where, 0, 0) as running:
        for worker, share in zip(running, doubled_and_tripled(tokens, 2), strict=True):
            worker.give(share)
        for worker in running:
            worker.finish()
    assert ends(received) == expected_ends(tokens)


def test_what_a_killed_process_has_submitted_times_out_once(received, redis_server):
    where, env = f"single:{redis_server.port}", {"WXIAI_OTEL_TASK_TIMEOUT": "1"}
    submitter = Worker(received, where, "submit", 200, "hang", **env)
    tokens = [submitter.process.stdout.readline().strip() for _ in range(200)]
    until(lambda: total(received, "ai.tasks.submitted").total() >= 200 and _open_tasks(redis_server) >= 200)
    submitter.process.kill()
    submitter.process.communicate()
    with workers(received, where, 0, 0, **env) as sweepers:
        until(lambda: ends(received).total() >= 200)
        for worker in sweepers:
            worker.give(tokens)
            worker.finish()

    assert total(received, "ai.tasks", "status") == {("pending",): 200, ("failed",): 200}
    assert total(received, "ai.service.failures", "error.type") == {("timeout",): 200}
    assert _open_tasks(redis_server) == 0


def _open_tasks(redis_server) -> int:
    keys = redis_server.ask("KEYS", "*:open").splitlines()
    return int(redis_server.ask("ZCARD", keys[2]).strip().lstrip(":")) if len(keys) > 2 else 0
