"""How long importing takes, in fresh processes: this package, and the OTel SDK with its OTLP exporter.

Both from bytecode, as installed packages are. The garbage collector is left out: whether it looks at all objects of
FastAPI once more depends on how many there were before.
"""

import gc
import importlib
import os
import subprocess
import sys
import tempfile
from time import process_time

_SDK = (
    "opentelemetry.sdk.trace.export",
    "opentelemetry.sdk.metrics.export",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
)


def import_ratios(rounds: int) -> list[float]:
    """The package's time over the SDK's."""
    with tempfile.TemporaryDirectory(prefix="bench-") as bytecode:
        _seconds(bytecode, "wxiai_otel")
        _seconds(bytecode, *_SDK)
        return [_seconds(bytecode, "wxiai_otel") / _seconds(bytecode, *_SDK) for _ in range(rounds)]


def _seconds(bytecode: str, *modules: str) -> float:
    from .processes import python

    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(python(__name__, *modules), check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def _measure(modules: list[str]) -> float:
    """What importing costs an application, which has imported FastAPI whatever observes it."""
    importlib.import_module("fastapi")
    gc.disable()
    started = process_time()
    for module in modules:
        importlib.import_module(module)
    return process_time() - started


if __name__ == "__main__":
    print(_measure(sys.argv[1:]))
