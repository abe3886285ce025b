"""With logfire, where it is installed: its spans and ours are one trace, and nothing is counted twice."""

import pytest

from tests.coexistence.apart import ran

pytest.importorskip("logfire")

APPLICATION = """
    import json
    import logfire
    from fastapi import FastAPI
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from starlette.testclient import TestClient
    from wxiai_otel import setup_telemetry

    exporter = InMemorySpanExporter()
    logfire.configure(
        send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(exporter)]
    )
    app = FastAPI()

    @app.get("/x/{n}")
    def x(n: int):
        with logfire.span("look up"):
            return n

    if WHO == "instrumented":
        logfire.instrument_fastapi(app)
    telemetry = setup_telemetry(app)
    TestClient(app).get("/x/1")
    spans = exporter.get_finished_spans()
    text = telemetry.render_metrics()[0].decode()
    print(json.dumps({
        "servers": [span.instrumentation_scope.name for span in spans if span.kind.name == "SERVER"],
        "names": [span.name for span in spans],
        "traces": len({span.context.trace_id for span in spans}),
        "counts": [line.split()[-1] for line in text.splitlines() if line.startswith("http_requests_total{")],
        "faults": "wxiai_otel_faults_total{" in text,
    }))
"""


@pytest.mark.parametrize(
    ("who", "scope"), [("alone", "wxiai_otel"), ("instrumented", "opentelemetry.instrumentation.fastapi")]
)
def test_a_request_is_one_trace_with_one_server_span_and_one_count(who, scope):
    seen = ran(f"WHO = {who!r}", APPLICATION)

    assert seen["servers"] == [scope]
    assert "look up" in seen["names"]
    assert seen["traces"] == 1
    assert seen["counts"] == ["1.0"]
    assert not seen["faults"]
