"""How long importing takes, in fresh processes: this package, and the OTel SDK with its OTLP exporter."""

import importlib
import subprocess
import sys
from time import process_time

_SDK = (
    "opentelemetry.sdk.trace.export",
    "opentelemetry.sdk.metrics.export",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
)


def import_ratio() -> float:
    """The package's time over the SDK's."""
    return _seconds("wxiai_otel") / _seconds(*_SDK)


def _seconds(*modules: str) -> float:
    from .processes import python

    done = subprocess.run(python(__name__, *modules), check=True, capture_output=True, text=True)
    return float(done.stdout)


def _measure(modules: list[str]) -> float:
    """What importing costs an application, which has imported FastAPI whatever observes it."""
    importlib.import_module("fastapi")
    started = process_time()
    for module in modules:
        importlib.import_module(module)
    return process_time() - started


if __name__ == "__main__":
    print(_measure(sys.argv[1:]))
