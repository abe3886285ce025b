"""The processes of a run: a Redis, a sink for OTLP, and a worker for each competitor."""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from examples.demo.servers import redis_server

# Exporters export when a round says so, and not by their own clocks in the middle of another's round.
_NEVER_MS = "3600000"


def python(*arguments: str) -> list[str]:
    """A Python that imports nothing by itself: logfire has itself imported by a .pth file, and by pydantic."""
    path = [str(Path(__file__).parents[1]), sysconfig.get_path("purelib")]
    code = (
        f"import os, runpy, sys; sys.path[1:1] = {path}; sys.argv = sys.argv[1:]; "
        "os.environ.setdefault('PYDANTIC_DISABLE_PLUGINS', '1'); "
        "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
    )
    return [sys.executable, "-S", "-c", code, *arguments]


class Worker:
    """A competitor's process with one application."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.port: int = self._answer().get("port", 0)

    def ask(self, do: str, **details: object) -> dict[str, float]:
        """Have it do something, and wait for what it has found."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **details}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended: {' '.join(map(str, self._process.args))}")  # type: ignore[arg-type]
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def surroundings() -> Iterator[dict[str, str]]:
    """What the workers need beside them, as environment variables."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        redis_url = stack.enter_context(redis_server(folder))
        sink = stack.enter_context(process("benchmarks.sink", {}))
        assert sink.stdout is not None
        sink_url = f"http://127.0.0.1:{sink.stdout.readline().strip()}"
        yield {
            "BENCH_REDIS_URL": redis_url,
            "BENCH_SINK_URL": sink_url,
            "WXIAI_REDIS_URL": redis_url,
            "WXIAI_DATABASE_URL": f"sqlite:///{folder}/wxiai.db",
        }


@contextmanager
def worker(application: str, competitor: str, environment: dict[str, str]) -> Iterator[Worker]:
    """A competitor with an application, until the block ends."""
    environment = {**environment, "OTEL_METRIC_EXPORT_INTERVAL": _NEVER_MS, "PYTHONHASHSEED": "0"}
    if competitor == "logfire":
        environment["PYDANTIC_DISABLE_PLUGINS"] = ""
    if application == "example":
        environment |= _example_environment(competitor, environment["BENCH_SINK_URL"])
    with process("benchmarks.worker", environment, application, competitor) as started:
        yield Worker(started)


def _example_environment(competitor: str, sink: str) -> dict[str, str]:
    """The example sets itself up as it is imported: by the environment then."""
    if competitor == "ours-full":
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": sink}
    if competitor == "ours-metrics":
        return {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    return {"WXIAI_OTEL_DISABLED": "true"}


@contextmanager
def process(module: str, environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a module of this package, with pipes to its standard input and output, until the block ends."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "WXIAI_", "FASTAPI_"))}
    started = subprocess.Popen(
        python(module, *arguments),
        env={**kept, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()  # it has told what it knows
        started.communicate()
