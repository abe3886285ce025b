"""The demo through a stack, as it is once its traffic is over."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from stack.programs import ROOT
from tests.servers.pipeline import Pipeline
from tests.servers.ports import free_port
from tests.until import until


@contextmanager
def demo(pipeline: Pipeline, job: str) -> Iterator[str]:
    """A demo that has had its traffic, all of which is in Prometheus, and that is still there: its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "examples.demo", "--stack", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "STACK_DATA": str(pipeline.data), "OTEL_SERVICE_NAME": job, "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "Ctrl-C ends" in line:
                break
        assert process.poll() is None, "".join(printed)
        until(lambda: 0 < submitted(pipeline, job) <= ended(pipeline, job), 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()


def number(pipeline: Pipeline, query: str, at: float | None = None) -> float:
    found = pipeline.query(query, at)
    return float(found[0]["value"][1]) if found else 0.0


def submitted(pipeline: Pipeline, job: str, at: float | None = None) -> float:
    return number(pipeline, f'sum(ai_tasks_submitted_total{{job="{job}"}})', at)


def ended(pipeline: Pipeline, job: str, at: float | None = None) -> float:
    return number(pipeline, f'sum(ai_tasks_total{{job="{job}",status=~"success|failed"}})', at)
