"""A Collector by itself, of the metrics layers or of others too, with knobs turned."""

import os
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from stack.binaries import find
from tests.scrape import Scrape
from tests.servers.ports import free_port
from tests.servers.program import answers, program

ROOT = Path(__file__).parents[2]


class Collector:
    """A running one: where it takes OTLP, and what it shows."""

    def __init__(self, port: int, grpc: int, shown: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.grpc = f"http://127.0.0.1:{grpc}"
        self._shown = f"http://127.0.0.1:{shown}/metrics"

    def exposition(self) -> Scrape:
        with urllib.request.urlopen(self._shown, timeout=5) as response:
            families = text_string_to_metric_families(response.read().decode())
            return Scrape(sample for family in families for sample in family.samples)


@contextmanager
def collector(*layers: str, **knobs: str) -> Iterator[Collector]:
    port, grpc, shown, health = (free_port() for _ in range(4))
    environ = {
        "COLLECTOR_OTLP_HTTP": f"127.0.0.1:{port}",
        "COLLECTOR_OTLP_GRPC": f"127.0.0.1:{grpc}",
        "COLLECTOR_PROMETHEUS": f"127.0.0.1:{shown}",
        "COLLECTOR_HEALTH": f"127.0.0.1:{health}",
        **knobs,
    }
    files = [ROOT / "collector" / f"{layer}.yaml" for layer in ("base", "contract", *layers)]
    command = [find("otelcol"), *(f"--config={file}" for file in files)]
    # Its own telemetry has a usual port, which another one may have.
    command.append("--config=yaml:service::telemetry::metrics::level: none")
    ready = f"http://127.0.0.1:{health}/"
    with (
        tempfile.TemporaryDirectory(prefix="collector-") as folder,
        program(
            command,
            lambda: answers(ready),
            env={**os.environ, "COLLECTOR_DATA": folder, **environ},
            log=Path(folder) / "log",
        ),
    ):
        yield Collector(port, grpc, shown)
