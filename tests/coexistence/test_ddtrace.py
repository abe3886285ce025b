"""With ddtrace, where it is installed: it has its traces, and nothing is counted twice."""

import pytest

from tests.coexistence.apart import COUNTED_ONCE, SHOP, ran

pytest.importorskip("ddtrace")

DDTRACE = """
    import ddtrace.auto
    import json
    from ddtrace.trace import TraceFilter, tracer

    class Kept(TraceFilter):
        traces = []
        def process_trace(self, trace):
            self.traces.append([f"{span.name} {span.resource}" for span in trace])

    tracer.configure(trace_processors=[Kept()])
"""
TOLD = """
    print(json.dumps({"statuses": statuses, "counts": counts, "traces": Kept.traces}))
"""


@pytest.mark.parametrize("opentelemetry", ["false", "true"])
def test_its_traces_go_on_beside_ours(opentelemetry):
    quiet = {"DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false", "DD_REMOTE_CONFIGURATION_ENABLED": "false"}
    agent = {"DD_TRACE_AGENT_URL": "http://127.0.0.1:9"}
    told = ran(DDTRACE, SHOP, TOLD, DD_TRACE_OTEL_ENABLED=opentelemetry, **quiet, **agent)

    assert told["statuses"] == [200, 500]
    assert told["counts"] == COUNTED_ONCE
    assert len(told["traces"]) == 2
    for trace in told["traces"]:
        assert [name for name in trace if "http.request" in name] == [trace[0]]
        assert "fastapi.request GET /orders/{order_id}" in trace
        assert "sqlite.query SELECT count(*) FROM sqlite_master" in trace
