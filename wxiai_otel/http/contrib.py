"""The choice http_engine="contrib": opentelemetry-instrumentation-fastapi makes the server span, we the metrics."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import TracerProvider

_OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"


def is_instrumented(app: FastAPI) -> bool:
    """Whether opentelemetry-instrumentation-fastapi has instrumented the application already."""
    return bool(getattr(app, "_is_instrumented_by_opentelemetry", False))


def instrument(app: FastAPI, tracer_provider: TracerProvider) -> None:
    """Have opentelemetry-instrumentation-fastapi make the server span, without metrics or spans for each event."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    with stable_conventions():
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


@contextmanager
def stable_conventions() -> Iterator[None]:
    """Have OpenTelemetry's instrumentations use the stable conventions, unless the environment chooses.

    They read the choice once in a process, when the first of them is used; the environment is left as it was.
    """
    chosen = os.environ.get(_OPT_IN)
    if not chosen:
        os.environ[_OPT_IN] = "http,database"
    try:
        yield
    finally:
        if not chosen:
            os.environ.pop(_OPT_IN, None)
