"""The choice http_engine="contrib": opentelemetry-instrumentation-fastapi makes the server span, we the metrics."""

import os
from typing import Any

from fastapi import FastAPI
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import TracerProvider

from .._guard import guarded

_OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"


def is_instrumented(app: FastAPI) -> bool:
    """Whether opentelemetry-instrumentation-fastapi has instrumented the application already."""
    return bool(getattr(app, "_is_instrumented_by_opentelemetry", False))


def instrument(app: FastAPI, tracer_provider: TracerProvider) -> None:
    """Have opentelemetry-instrumentation-fastapi make the server span, without metrics or spans for each event."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    guarded("contrib.conventions")(use_stable_conventions)()
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=tracer_provider,
        meter_provider=NoOpMeterProvider(),
        exclude_spans=["receive", "send"],
    )
    if app.middleware_stack is not None:
        app.middleware_stack = app.build_middleware_stack()


def uninstrument(app: FastAPI) -> None:
    """Undo `instrument`. The middleware stack is built anew."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    FastAPIInstrumentor.uninstrument_app(app)


def use_stable_conventions() -> None:
    """Have the HTTP instrumentations of OpenTelemetry use the stable conventions, unless the environment chooses.

    They read the environment once in a process, for HTTP and databases together: those of SQL and Redis come first.
    """
    if os.environ.get(_OPT_IN):
        return
    from opentelemetry.instrumentation import _semconv

    stability: Any = _semconv._OpenTelemetrySemanticConventionStability  # noqa: SLF001 - no other way once it is read
    stability._initialize()  # noqa: SLF001
    http = _semconv._OpenTelemetryStabilitySignalType.HTTP  # noqa: SLF001
    stability._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING[http] = _semconv._StabilityMode.HTTP  # noqa: SLF001
