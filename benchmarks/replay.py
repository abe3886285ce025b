"""A recorded export again and again: of several workers, at other times, with counts that go up."""

import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from examples.demo.servers import redis_server

from .processes import python


class Recorded(NamedTuple):
    """The bodies of a worker's exports."""

    metrics: bytes
    traces: bytes

    @property
    def spans(self) -> int:
        """How many spans the traces have."""
        request = ExportTraceServiceRequest.FromString(self.traces)
        return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def recorded(routes: int) -> Recorded:
    """What the SDK exports of an application with so many routes."""
    with tempfile.TemporaryDirectory(prefix="recording-") as name:
        folder = Path(name)
        with redis_server(folder) as url:
            command = python("benchmarks.recording", url, str(routes), name)
            subprocess.run(command, check=True, timeout=300)
        return Recorded((folder / "metrics.bin").read_bytes(), (folder / "traces.bin").read_bytes())


class Worker:
    """A worker that exports: the same series each time, half of which have changed."""

    def __init__(self, body: bytes, number: int) -> None:
        self._request = ExportMetricsServiceRequest.FromString(body)
        self._chance = random.Random(number)
        self._points: list[Any] = []
        for resource in self._request.resource_metrics:
            for attribute in resource.resource.attributes:
                if attribute.key == "service.instance.id":
                    attribute.value.string_value = f"worker-{number}"
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self._points.extend(getattr(metric, metric.WhichOneof("data")).data_points)
        for point in self._points:
            # The recording keeps all traces, an application a tenth.
            if self._chance.random() >= 0.1:
                del point.exemplars[:]

    @property
    def datapoints(self) -> int:
        """How many an export has."""
        return len(self._points)

    def export(self) -> bytes:
        """The next one."""
        now = time.time_ns()
        for point in self._points:
            point.time_unix_nano = now
            if self._chance.random() < 0.5:
                self._count(point)
        return self._request.SerializeToString()

    def _count(self, point: Any) -> None:
        more = self._chance.randint(1, 5)
        if hasattr(point, "bucket_counts"):
            point.bucket_counts[self._chance.randrange(len(point.bucket_counts))] += more
            point.count += more
            point.sum += more * self._chance.expovariate(10)
        elif point.WhichOneof("value") == "as_int":
            point.as_int += more
        else:
            point.as_double += more
