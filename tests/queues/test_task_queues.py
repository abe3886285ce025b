"""N tasks are counted N times, whichever library runs them and however its processes end."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.servers.redis import run_redis
from tests.until import until

TASKS = 6
BIN = Path(sys.executable).parent

# The case, the application, and the command of the worker, which exits on its own or gets SIGTERM.
WORKERS = {
    "celery: a child for each task": ("celery_app", "celery -A {app} worker -c 2 --max-tasks-per-child 1"),
    "celery: warm shutdown": ("celery_app", "celery -A {app} worker -c 2"),
    "celery: set up in each child": ("celery_per_child", "celery -A {app} worker -c 2 --max-tasks-per-child 2"),
    "celery: threads": ("celery_app", "celery -A {app} worker -c 2 --pool threads"),
    "celery: solo": ("celery_app", "celery -A {app} worker --pool solo"),
    "rq: a work horse for each task": ("rq_app", "rq worker --burst --url {broker}"),
    "rq: SpawnWorker": ("rq_app", "rq worker --burst --url {broker} -w rq.worker.SpawnWorker"),
    "rq: SimpleWorker": ("rq_app", "rq worker --burst --url {broker} -w rq.SimpleWorker"),
    "rq: worker pool": ("rq_app", "rq worker-pool --burst -n 2 --url {broker}"),
    "arq": ("arq_app", "arq {app}.WorkerSettings"),
    "arq: burst": ("arq_app", "arq {app}.WorkerSettings --burst"),
    "dramatiq": ("dramatiq_app", "dramatiq {app} -p 2 -t 2"),
    "dramatiq: spawn": ("dramatiq_app", "dramatiq {app} -p 2 -t 2 --use-spawn"),
    "taskiq": ("taskiq_app", "taskiq worker {app}:broker -w 2"),
}


def done(redis) -> int:
    reply = redis.ask("GET", "done").splitlines()
    return int(reply[1]) if len(reply) > 1 else 0


def run_until_done(command: list[str], environment: dict[str, str], redis) -> None:
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as worker:
        try:
            with suppress(AssertionError):  # the assertion below shows the output
                until(lambda: done(redis) >= TASKS or worker.poll() is not None, timeout=60)
            if "--burst" not in command:
                time.sleep(0.3)  # the queue stores the last result
                worker.send_signal(signal.SIGTERM)
            output, _ = worker.communicate(timeout=30)
        finally:
            worker.kill()
    assert done(redis) == TASKS, output.decode()


@pytest.fixture
def broker():
    """A Redis that no process of another test finds: a library's child outlives a worker that a failed test killed."""
    with run_redis() as server:
        yield server


@pytest.mark.parametrize("name", WORKERS)
def test_each_task_is_counted_once(name, broker, received):
    app, command = WORKERS[name]
    library = app.partition("_")[0]
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    environment = {**os.environ, "BROKER": broker.url, "RECEIVER": received.url}
    web = [sys.executable, "-m", "tests.queues.web", app, str(TASKS)]
    subprocess.run(web, env=environment, check=True, timeout=100)
    words = command.format(app=f"tests.queues.{app}", broker=broker.url).split()
    run_until_done([sys.executable, str(BIN / words[0]), *words[1:]], environment, broker)

    assert received.total("user.registrations") == TASKS
    assert received.total("ai.tasks.submitted") == TASKS
    assert received.total("ai.tasks", status="success") == TASKS
