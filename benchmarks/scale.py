"""Unit costs beyond one Collector, for docs/scaling-1000.md: storage by the series, agents and gateways by the span.

.venv-bench/bin/python -m benchmarks.scale --minutes 3
"""

import argparse
import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stack.binaries import find
from stack.ports import free_port

from . import otelcol
from .replay import Recorded, Worker, recorded
from .sizing import INTERVAL, _prometheus, spans_sink

AGENT = ("base", "contract", "traces", "agent")
GATEWAY = ("base", "contract", "traces", "sampling", "gateway")
SPAN_SECONDS = 40
SPAN_REQUESTS = 10  # a second
WAIT = 10  # COLLECTOR_SAMPLING_WAIT


def layers(*names: str) -> otelcol.Config:
    """The Collector's layers as it merges them: dictionaries by their keys, lists whole."""
    merged: otelcol.Config = {}
    for name in names:
        _merge(merged, yaml.safe_load((otelcol.ROOT / "collector" / f"{name}.yaml").read_text()))
    return merged


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


@contextmanager
def victoriametrics(folder: Path) -> Iterator[tuple[str, int]]:
    """VictoriaMetrics without data: its address and process."""
    port = free_port()
    command = [str(find("victoria-metrics")), f"-storageDataPath={folder / 'vm'}", f"-httpListenAddr=127.0.0.1:{port}"]
    with subprocess.Popen([*command, "-loggerLevel=ERROR"]) as process:
        try:
            time.sleep(2)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()


def _metrics(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


def _sum(metrics: dict[str, float], name: str, part: str = "") -> float:
    return sum(value for key, value in metrics.items() if key.partition("{")[0] == name and part in key)


def _rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


def storage(body: bytes, count: int, minutes: float) -> dict[str, float]:
    """Workers export; Prometheus scrapes, and the Collector pushes to VictoriaMetrics, every 5 seconds."""
    with tempfile.TemporaryDirectory(prefix="scale-") as name, victoriametrics(Path(name)) as (vm, vm_pid):
        knobs = {"COLLECTOR_VICTORIAMETRICS": f"{vm}/api/v1/write", "COLLECTOR_MEMORY_LIMIT_MIB": "4096"}
        with otelcol.collector(layers("base", "contract", "victoriametrics"), **knobs) as running:
            workers = [Worker(body, number) for number in range(count)]
            bodies = [len(worker.export()) for worker in workers]
            with _prometheus(Path(name), running.shown) as (_, pid):
                began = time.monotonic()
                used, vm_used = running.cpu_seconds(), time.clock_gettime(~vm_pid << 3 | 2)
                while time.monotonic() - began < minutes * 60:
                    for worker in workers:
                        running.send("http", worker.export())
                    time.sleep(INTERVAL - (time.monotonic() - began) % INTERVAL)
                elapsed = time.monotonic() - began
                seen = _metrics(vm)
                rows = _sum(seen, "vm_rows_inserted_total")
                found = {
                    "workers": count,
                    "export_bytes": bodies[0],
                    "series": _sum(seen, "vm_new_timeseries_created_total"),
                    "scrape_bytes": len(running.scrape()),
                    "collector_cpu_percent": (running.cpu_seconds() - used) / elapsed * 100,
                    "collector_rss_mb": running.rss_mb(),
                    "prometheus_cpu_percent": time.clock_gettime(~pid << 3 | 2) / elapsed * 100,
                    "prometheus_rss_mb": _rss_mb(pid),
                    "vm_cpu_percent": (time.clock_gettime(~vm_pid << 3 | 2) - vm_used) / elapsed * 100,
                    "vm_rss_mb": _rss_mb(vm_pid),
                    "vm_push_bytes_a_sample": _sum(seen, "vm_tcplistener_read_bytes_total", "http") / rows,
                }
            urllib.request.urlopen(f"{vm}/internal/force_flush", timeout=60).close()
            urllib.request.urlopen(f"{vm}/internal/force_merge", timeout=60).close()
            time.sleep(10)
            seen = _metrics(vm)
            data = sum(
                _sum(seen, "vm_data_size_bytes", f'type="storage/{part}"') for part in ("inmemory", "small", "big")
            )
            index = sum(_sum(seen, "vm_data_size_bytes", f'type="indexdb/{part}"') for part in ("inmemory", "file"))
            return {**found, "vm_bytes_a_sample": data / rows, "vm_index_bytes_a_series": index / found["series"]}


class Spans:
    """One recorded request of spans, each time of other traces."""

    def __init__(self, export: Recorded) -> None:
        self._request = ExportTraceServiceRequest.FromString(export.traces)
        self._chance = Random(1)
        self._spans = [
            span for one in self._request.resource_spans for scope in one.scope_spans for span in scope.spans
        ]

    def next(self) -> bytes:
        """The request."""
        ids = {span.trace_id: self._chance.randbytes(16) for span in self._spans}
        for span in self._spans:
            span.trace_id = ids[span.trace_id]
        return self._request.SerializeToString()


def tiers(export: Recorded) -> dict[str, float]:
    """An agent and a gateway that holds every span for ten seconds."""
    port = free_port()
    with (
        spans_sink() as sink,
        tempfile.TemporaryDirectory(prefix="scale-") as one,
        tempfile.TemporaryDirectory(prefix="scale-") as other,
        otelcol.collector(
            layers(*GATEWAY), COLLECTOR_AGENTS=f"127.0.0.1:{port}", COLLECTOR_JAEGER=sink, COLLECTOR_DATA=one
        ) as gateway,
        otelcol.collector(
            layers(*AGENT), COLLECTOR_GATEWAYS="localhost", COLLECTOR_GATEWAYS_PORT=str(port), COLLECTOR_DATA=other
        ) as agent,
    ):
        spans = Spans(export)
        agent.send("http", spans.next(), "traces")
        time.sleep(WAIT + 2)
        before, agent_before, idle = gateway.cpu_seconds(), agent.cpu_seconds(), gateway.rss_mb()
        began, sent, highest = time.monotonic(), 0, 0.0
        while time.monotonic() - began < SPAN_SECONDS:
            agent.send("http", spans.next(), "traces")
            sent += export.spans
            highest = max(highest, gateway.rss_mb())
            time.sleep(1 / SPAN_REQUESTS - (time.monotonic() - began) % (1 / SPAN_REQUESTS))
        rate = sent / (time.monotonic() - began)
        time.sleep(WAIT + 2)
        return {
            "spans_a_second": rate,
            "span_bytes": len(export.traces) / export.spans,
            "agent_us_a_span": (agent.cpu_seconds() - agent_before) / sent * 1e6,
            "agent_rss_mb": agent.rss_mb(),
            "gateway_us_a_span": (gateway.cpu_seconds() - before) / sent * 1e6,
            "gateway_idle_mb": idle,
            "gateway_kb_a_held_span": (highest - idle) * 1024 / (rate * WAIT),
        }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=3, help="of scrapes (default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="*", default=[8, 40], help="that export (default: %(default)s)")
    parser.add_argument("--routes", type=int, default=50, help="of the application (default: %(default)s)")
    options = parser.parse_args()
    export = recorded(options.routes)
    print(json.dumps({"tiers": tiers(export)}), flush=True)
    for count in options.workers:
        print(json.dumps({"storage": storage(export.metrics, count, options.minutes)}), flush=True)


if __name__ == "__main__":
    main()
