"""What the table in docs/sizing.md is made of: Prometheus' disk and memory, and what the Collector needs for traces.

.venv-bench/bin/python -m benchmarks.sizing --minutes 10
"""

import argparse
import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from stack.binaries import find
from stack.ports import free_port

from . import otelcol
from .replay import Recorded, Worker, recorded

INTERVAL = 5
DAY = 86_400 // INTERVAL
# Prometheus writes a block every 2 hours; an index entry of a series is in each.
BLOCKS_A_DAY = 12


@contextmanager
def spans_sink() -> Iterator[str]:
    """Where the Collector sends spans in Jaeger's place: it takes all and keeps nothing."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, _details: object) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")

    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def spans(export: Recorded, rounds: int) -> dict[str, float]:
    """Microseconds of the Collector for each span: received, redacted, queued on disk and sent on."""
    with (
        spans_sink() as sink,
        tempfile.TemporaryDirectory(prefix="sizing-") as data,
        otelcol.collector(otelcol.with_traces(), COLLECTOR_JAEGER=sink, COLLECTOR_DATA=data) as running,
    ):
        found = []
        for _ in range(rounds):
            before = running.cpu_seconds()
            for _ in range(50):
                running.send("http", export.traces, "traces")
            time.sleep(1)  # the queue is emptied every 200 ms
            found.append((running.cpu_seconds() - before) / 50 / export.spans * 1e6)
        return {"spans": export.spans, "us_lowest": min(found), "us_highest": max(found), "rss_mb": running.rss_mb()}


def storage(body: bytes, count: int, minutes: float) -> dict[str, float]:
    """Workers export and Prometheus scrapes every 5 seconds; then what it has on disk is looked at."""
    with tempfile.TemporaryDirectory(prefix="sizing-") as name, otelcol.collector(otelcol.ours()) as running:
        workers = [Worker(body, number) for number in range(count)]
        _export(running, workers)
        with _prometheus(Path(name), running.shown) as (url, pid):
            before, began = running.cpu_seconds(), time.monotonic()
            while time.monotonic() - began < minutes * 60:
                _export(running, workers)
                time.sleep(INTERVAL - (time.monotonic() - began) % INTERVAL)
            elapsed = time.monotonic() - began
            snapshot = _ask(url, "/api/v1/admin/tsdb/snapshot", method="POST")["name"]
            cpu = time.clock_gettime(~pid << 3 | 2)
            rss = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20
            found = _blocks(Path(name) / "data" / "snapshots" / snapshot)
        return {
            "workers": count,
            "collector_cpu_percent": (running.cpu_seconds() - before) / elapsed * 100,
            "collector_rss_mb": running.rss_mb(),
            "prometheus_cpu_percent": cpu / elapsed * 100,
            "prometheus_rss_mb": rss,
            **found,
        }


def _export(running: otelcol.Collector, workers: Sequence[Worker]) -> None:
    for worker in workers:
        running.send("http", worker.export())


@contextmanager
def _prometheus(folder: Path, target: str) -> Iterator[tuple[str, int]]:
    """A Prometheus that scrapes as prometheus.yml says, without rules: its URL and process."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: {INTERVAL}s, scrape_timeout: 4s}}\n"
        "scrape_configs:\n"
        "- {job_name: applications, honor_labels: true, scrape_protocols: [PrometheusProto], "
        f'static_configs: [{{targets: ["{target}"]}}]}}\n'
    )
    command = [
        str(find("prometheus")),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-admin-api",
        "--enable-feature=exemplar-storage,created-timestamp-zero-ingestion",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()


def _ask(url: str, path: str, method: str = "GET") -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(url + path, method=method), timeout=60) as response:
        found: dict[str, Any] = json.load(response)["data"]
        return found


def _blocks(folder: Path) -> dict[str, float]:
    """Samples, series and bytes of the blocks that a snapshot has made of everything so far."""
    samples = series = chunks = index = 0
    for meta in folder.glob("*/meta.json"):
        stats = json.loads(meta.read_text())["stats"]
        samples += stats["numSamples"]
        series += stats["numSeries"]
        chunks += sum(file.stat().st_size for file in meta.parent.glob("chunks/*"))
        index += (meta.parent / "index").stat().st_size
    return {
        "samples": samples,
        "series": series,
        "chunk_bytes_a_sample": chunks / samples,
        "index_bytes_a_series": index / series,
        "mb_a_day": (series * DAY * chunks / samples + index * BLOCKS_A_DAY) / 2**20,
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="of scrapes (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=4, help="that export (default: %(default)s)")
    parser.add_argument("--routes", type=int, default=50, help="of the application (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="of spans (default: %(default)s)")
    options = parser.parse_args()
    export = recorded(options.routes)
    print(json.dumps({"spans": spans(export, options.rounds)}))
    print(json.dumps({"storage": storage(export.metrics, options.workers, options.minutes)}))


if __name__ == "__main__":
    main()
