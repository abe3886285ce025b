"""Stacks and a demo that all processes of a test run share."""

import asyncio
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from benchmarks.detection.platform import write_bridge
from dashboards.files import UIDS, load, panels
from examples.demo.traffic import drive
from stack.running import down, up
from tests.alerts.files import RECORDING_RULES
from tests.servers.demo import demo, ended, submitted
from tests.servers.pipeline import Pipeline
from tests.servers.robots import robots
from tests.servers.shared import shared
from tests.until import until

STACK, OTHER_STACK, HOSTILE_STACK, TRAFFIC = (
    f"{__name__}:{name}" for name in ("stack", "other_stack", "hostile_stack", "traffic")
)
# By which the intervals and windows of a stack are divided. Prometheus scrapes every 2 s.
SPEED = "2.5"


@contextmanager
def running(folder: Path, **environ: str) -> Iterator[str]:
    """Run a stack until the block ends, and yield its data directory."""
    with patch.dict(os.environ, {"STACK_SPEED": SPEED, **environ}):
        up(folder, usual_ports=False)
    try:
        yield str(folder)
    finally:
        down(folder)


@contextmanager
def stack(folder: Path) -> Iterator[str]:
    """The stack of most tests.

    The Collector decides on a trace after 3 s, when all spans of a request of a second have arrived. It keeps half of
    the ordinary traces, so that a few requests of each kind are enough for one to be stored.
    """
    with robots() as sink:
        write_bridge(folder / "bridge.toml", sink)
        with running(folder, COLLECTOR_SAMPLING_WAIT="3s", COLLECTOR_SAMPLING_PERCENT="50") as data:
            yield data


@contextmanager
def other_stack(folder: Path) -> Iterator[str]:
    """A stack with VictoriaMetrics, in which applications decide which traces are kept."""
    with running(folder, STACK_TAIL_SAMPLING="process", STACK_VICTORIAMETRICS="1") as data:
        yield data


@contextmanager
def hostile_stack(folder: Path) -> Iterator[str]:
    """A stack for malformed and huge input. Several tests at once may send tens of megabytes each."""
    with running(folder, COLLECTOR_MEMORY_LIMIT_MIB="2048", COLLECTOR_SAMPLING_WAIT="1s") as data:
        yield data


@contextmanager
def traffic(folder: Path) -> Iterator[dict[str, object]]:
    """A demo in the stack of most tests: its job and address, and when all that dashboards show was stored."""
    job = f"demo-{uuid.uuid4().hex[:12]}"
    with shared(folder.parents[1], STACK) as data, demo(pipeline := Pipeline(Path(data)), job) as url:
        shown = [target["expr"] for uid in UIDS for panel in panels(load(uid)) for target in panel["targets"]]
        # Few tasks fail, and fewer where the machine is busy.
        while not pipeline.query(f'ai_service_failures_total{{job="{job}"}}'):
            asyncio.run(drive(url, 3, lambda _: None))
        until(lambda: submitted(pipeline, job) == ended(pipeline, job))
        for name in (rule.name for rule in RECORDING_RULES):
            if re.search(rf"(?<![\w:]){name}(?![\w:])", " ".join(shown)):
                until(lambda name=name: pipeline.query(f'{name}{{job=~"{job}|"}}'))
        yield {"job": job, "url": url, "at": time.time()}
