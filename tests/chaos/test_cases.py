"""The most telling cases of scripts/chaos, bounded: whatever is done to the pipeline, all arrives and nobody waits."""

import pytest

from benchmarks.chaos.cases import CASES
from benchmarks.chaos.world import world

pytestmark = [pytest.mark.built, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    with world(tmp_path_factory.mktemp("chaos")) as made:
        made.rounds, made.seconds, made.disturbed_seconds, made.outage_seconds = 1, 1.0, 5.0, 4.0
        made.suspended_seconds = 4.0
        # Exporters give up in less than an outage, and the application's end is soon over.
        made.environ = {"OTEL_EXPORTER_OTLP_TIMEOUT": "3", "WXIAI_OTEL_SHUTDOWN_TIMEOUT": "1"}
        # Others use the machine too, and one round has no spread: scripts/chaos measures. A request or end that waits
        # for an export takes longer than this.
        made.noise_ms, made.end_seconds = 2500.0, 10.0
        yield made


# One of each module of benchmarks/chaos: scripts/chaos has them all.
@pytest.mark.parametrize("name", ["killed", "jaeger", "preload", "redis-failover", "suspended"])
def test_nothing_is_lost_or_felt(at, name):
    assert CASES[name](at).faults == []
