"""What tests of this folder use alone or break: private modules are imported here only."""

from wxiai_otel import _client_spans, _held_spans, _runtime
from wxiai_otel.http import _span
from wxiai_otel.tracing import _sampler, _trace

__all__ = [
    "HeldSpan",
    "SdkSpan",
    "_runtime",
    "_sampler",
    "_span",
    "failure_of",
    "sampled",
]

SdkSpan = _client_spans.SdkSpan
failure_of = _client_spans.failure_of
HeldSpan = _held_spans.HeldSpan
sampled = _trace.sampled
