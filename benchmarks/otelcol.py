"""A Collector that is measured: started with a configuration, sent exports, scraped, and asked what it has used."""

import http.client
import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import yaml

from stack.binaries import find
from stack.ports import free_port

ROOT = Path(__file__).parents[1]
START_SECONDS = 30

Config = dict[str, Any]

_EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
# As Prometheus asks with prometheus.yml.
_SCRAPE = {
    "accept": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5,"
    "application/openmetrics-text;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3",
    "accept-encoding": "gzip",
}


class Collector:
    """A running one."""

    def __init__(self, process: "subprocess.Popen[bytes]", http_port: int, grpc_port: int, shown_port: int) -> None:
        self._pid = process.pid
        self.shown = f"127.0.0.1:{shown_port}"
        self._http = http.client.HTTPConnection("127.0.0.1", http_port, timeout=30)
        self._shown = http.client.HTTPConnection("127.0.0.1", shown_port, timeout=30)
        self._channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}")
        self._export = self._channel.unary_unary(_EXPORT)

    def send(self, protocol: str, body: bytes, kind: str = "metrics") -> None:
        """One export, of traces by HTTP only; raises where it is not taken."""
        if protocol == "grpc":
            self._export(body, timeout=30)
            return
        self._http.request("POST", f"/v1/{kind}", body, {"content-type": "application/x-protobuf"})
        answer = self._http.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"an export was answered {answer.status}: {answer.read()!r}")
        answer.read()

    def scrape(self, headers: dict[str, str] = _SCRAPE) -> bytes:
        """What it shows, as Prometheus asks for it."""
        self._shown.request("GET", "/metrics", headers=headers)
        return self._shown.getresponse().read()

    def cpu_seconds(self) -> float:
        """The processor's time that all its threads have had, from the process's own clock: exact, other than /proc."""
        return time.clock_gettime(~self._pid << 3 | 2)

    def rss_mb(self) -> float:
        """The memory that it has now."""
        pages = int(Path(f"/proc/{self._pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def close(self) -> None:
        for one in (self._http, self._shown, self._channel):
            one.close()


@contextmanager
def collector(config: Config, **knobs: str) -> Iterator[Collector]:
    """A Collector with a configuration, and further knobs of it, until the block ends."""
    http_port, grpc_port, shown_port, health_port = (free_port() for _ in range(4))
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COLLECTOR_")},
        "COLLECTOR_OTLP_HTTP": f"127.0.0.1:{http_port}",
        "COLLECTOR_OTLP_GRPC": f"127.0.0.1:{grpc_port}",
        "COLLECTOR_PROMETHEUS": f"127.0.0.1:{shown_port}",
        "COLLECTOR_HEALTH": f"127.0.0.1:{health_port}",
        **knobs,
    }
    # Its own telemetry has a usual port, which another one may have.
    quiet = "yaml:service::telemetry: {metrics: {level: none}, logs: {level: error}}"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        # JSON is YAML. An argument has at most 128 KiB.
        json.dump(config, file)
        file.flush()
        command = [str(find("otelcol")), f"--config={file.name}", f"--config={quiet}"]
        with _running(command, environ, http_port, grpc_port, shown_port, health_port) as running:
            yield running


@contextmanager
def _running(
    command: list[str], environ: dict[str, str], http_port: int, grpc_port: int, shown_port: int, health_port: int
) -> Iterator[Collector]:
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE) as process:
        running = Collector(process, http_port, grpc_port, shown_port)
        try:
            _until_healthy(process, health_port)
            yield running
        finally:
            running.close()
            process.terminate()
            try:
                process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()


def _until_healthy(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            raise RuntimeError(f"the Collector ended: {process.stderr.read().decode(errors='replace')[-2000:]}")
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the Collector is not healthy after {START_SECONDS} s")


def _layer(name: str) -> Config:
    found: Config = yaml.safe_load((ROOT / "collector" / f"{name}.yaml").read_text())
    return found


def ours() -> Config:
    """The layers of metrics, as they are."""
    config = _layer("base")
    config["processors"] |= _layer("contract")["processors"]
    return config


def with_traces() -> Config:
    """The layers of metrics and of traces, where the applications decide which traces are kept."""
    config, traces = ours(), _layer("traces")
    for part in ("processors", "exporters", "extensions"):
        config[part] |= traces[part]
    config["service"]["extensions"] = traces["service"]["extensions"]
    config["service"]["pipelines"] |= traces["service"]["pipelines"]
    return config


def empty() -> Config:
    """The same receiver, limiter and exporter, and nothing between them."""
    config = ours()
    config["service"]["pipelines"] = {
        "metrics": {"receivers": ["otlp"], "processors": ["memory_limiter"], "exporters": ["prometheus"]}
    }
    return config


def without_exposition(config: Config) -> Config:
    """The same with an exporter that does nothing: what is left is what lies between receiver and exporter."""
    config["exporters"] = {"debug": {"verbosity": "basic"}}
    for pipeline in config["service"]["pipelines"].values():
        pipeline["exporters"] = ["debug"]
    return config
