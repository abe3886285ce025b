"""How long importing takes, in fresh processes: this package, and the OTel SDK with its OTLP exporter."""

import subprocess
import sys

_SDK = """
import opentelemetry.sdk.trace.export, opentelemetry.sdk.metrics.export
import opentelemetry.exporter.otlp.proto.http.trace_exporter, opentelemetry.exporter.otlp.proto.http.metric_exporter
"""
# The application has imported FastAPI before, whatever observes it.
_MEASURE = """
import fastapi, time
started = time.process_time()
{}
print(time.process_time() - started)
"""


def import_ratio() -> float:
    """The package's time over the SDK's."""
    return _seconds("import wxiai_otel") / _seconds(_SDK)


def _seconds(statements: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(statements)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)
