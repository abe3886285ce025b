"""With Sentry, where it is installed: it has its errors and transactions, and nothing is counted twice."""

import pytest

from tests.coexistence.apart import COUNTED_ONCE, SHOP, ran

pytest.importorskip("sentry_sdk")

SENTRY = """
    import json, sentry_sdk
    from sentry_sdk.transport import Transport

    class Kept(Transport):
        items = []
        def capture_envelope(self, envelope):
            self.items += [(item.type, item.payload.json) for item in envelope.items]

    OPTIONS = dict(dsn="http://key@127.0.0.1:9/1", transport=Kept, traces_sample_rate=1.0)
"""
BY_ITSELF = "sentry_sdk.init(**OPTIONS)"
BY_OPENTELEMETRY = """
    from opentelemetry import propagate, trace
    from opentelemetry.sdk.trace import TracerProvider
    from sentry_sdk.integrations.opentelemetry import SentryPropagator, SentrySpanProcessor

    sentry_sdk.init(instrumenter="otel", **OPTIONS)
    provider = TracerProvider()
    provider.add_span_processor(SentrySpanProcessor())
    trace.set_tracer_provider(provider)
    propagate.set_global_textmap(SentryPropagator())
"""
TOLD = """
    sentry_sdk.flush()
    print(json.dumps({
        "statuses": statuses,
        "counts": counts,
        "errors": [told["exception"]["values"][0]["type"] for kind, told in Kept.items if kind == "event"],
        "transactions": [
            [told["transaction"], [span["description"] for span in told["spans"]]]
            for kind, told in Kept.items if kind == "transaction"
        ],
    }))
"""


def test_its_own_tracing_goes_on_beside_ours():
    told = ran(SENTRY, BY_ITSELF, SHOP, TOLD)

    assert told == {
        "statuses": [200, 500],
        "counts": COUNTED_ONCE,
        "errors": ["ValueError"],
        "transactions": [["/orders/{order_id}", ["SELECT count(*) FROM sqlite_master"]]] * 2,
    }


def test_its_opentelemetry_mode_makes_its_transactions_of_our_spans():
    told = ran(SENTRY, BY_OPENTELEMETRY, SHOP, TOLD)

    assert told == {
        "statuses": [200, 500],
        "counts": COUNTED_ONCE,
        "errors": ["ValueError"],
        "transactions": [["GET /orders/{order_id}", ["SELECT sqlite_master"]]] * 2,
    }
