"""Upstream's instrumentations with the stable conventions, whatever the environment said at their first use."""

import pytest
from opentelemetry.instrumentation import _semconv


def use_stable_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have upstream's instrumentations that begin from now on use the stable names of databases and servers."""
    stability = _semconv._OpenTelemetrySemanticConventionStability
    stability._initialize()
    kinds, modes = _semconv._OpenTelemetryStabilitySignalType, _semconv._StabilityMode
    mapping = {kinds.HTTP: modes.HTTP, kinds.DATABASE: modes.DATABASE}
    monkeypatch.setattr(stability, "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING", mapping)
