"""Private names that the tests of this folder use: imported here only, so that a move touches one file."""

from wxiai_otel import _runtime
from wxiai_otel._client_spans import SdkSpan, failure_of
from wxiai_otel._held_spans import HeldSpan
from wxiai_otel.http import _span
from wxiai_otel.tracing import _sampler
from wxiai_otel.tracing._trace import sampled
