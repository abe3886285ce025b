"""The stack with all that is asked of it, and how long faults last."""

import json
import os
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.detection.platform import stack
from benchmarks.detection.sinks import Sinks
from tests.servers.pipeline import Pipeline
from tests.servers.robots import Robots, robots

from .parts import Application, Part, application, last


@dataclass(slots=True)
class World:
    """What cases are done in.

    Parameters:
        folder: For logs and data.
        pipeline: The stack.
        sinks: Where notifications arrive.
        parts: The stack's programs.
        rounds: Pairs of a round without and one with the fault.
        seconds: Of a round without a fault.
        disturbed_seconds: Of one with it.
        outage_seconds: That a backend is away.
        suspended_seconds: That the application stands still.
        growth_mb: What the application's memory may grow by.
        noise_ms: What the machine may add to p99.
        end_seconds: That the application's end may take.
        environ: Of each application.
    """

    folder: Path
    pipeline: Pipeline
    sinks: Sinks
    parts: dict[str, Part]
    rounds: int = 5
    seconds: float = 5.0
    disturbed_seconds: float = 12.0
    outage_seconds: float = 60.0
    suspended_seconds: float = 15.0
    growth_mb: float = 60.0
    noise_ms: float = 10.0
    end_seconds: float = 5.0
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def collector(self) -> Part:
        return self.parts["collector"]

    def application(self, *options: str, **more: Any) -> AbstractContextManager[Application]:
        """An application of a name of its own, which sends to the Collector: see `parts.application`."""
        job, endpoint = f"chaos-{uuid.uuid4().hex[:8]}", self.pipeline.url("otlp_http")
        return application(self.folder, *options, **{"job": job, "endpoint": endpoint, **self.environ, **more})

    def value(self, query: str) -> float:
        """The one number that Prometheus finds; 0 where it finds none."""
        found = self.pipeline.query(query)
        return float(found[0]["value"][1]) if found else 0.0

    def counted(self, job: str, expected: int, endpoint: str = "/work", seconds: float = 60) -> float:
        """The requests that Prometheus has of a job in the end."""
        query = f'sum(last_over_time(http_requests_total{{job="{job}",endpoint="{endpoint}"}}[1h]))'
        return last(lambda: self.value(query), expected, seconds)

    def spans(self, job: str, expected: int, seconds: float = 60) -> int:
        """The spans that Jaeger has of a job in the end, each once."""
        return last(lambda: len(self._span_ids(job)), expected, seconds)

    def _span_ids(self, job: str) -> set[tuple[str, str]]:
        asked = urllib.parse.urlencode({"service": job, "limit": 100_000, "lookback": "1h"})
        answer = json.loads(self.pipeline.get("jaeger", f"/api/traces?{asked}"))
        return {(span["traceID"], span["spanID"]) for trace in answer["data"] or [] for span in trace["spans"]}

    def accepted(self) -> float:
        """The spans that Jaeger has been sent since it was started, each as often as it came."""
        lines = self.pipeline.get("jaeger_self", "/metrics").decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if line.startswith("otelcol_receiver_accepted_spans")
        )


@contextmanager
def world(folder: Path, sink: Robots | None = None) -> Iterator[World]:
    """Start everything; the applications decide on their traces, so that all are kept."""
    with ExitStack() as started:
        started.enter_context(patch.dict(os.environ, STACK_TAIL_SAMPLING="process"))
        sink = sink or started.enter_context(robots())
        pipeline = started.enter_context(stack(folder, sink))
        parts = {name: Part(pipeline, name) for name in pipeline.state.processes}
        for part in parts.values():
            started.callback(part.program.end)
        yield World(folder, pipeline, Sinks(sink, pipeline.url("mailpit")), parts)
