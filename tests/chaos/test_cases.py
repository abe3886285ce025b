"""The most telling cases of scripts/chaos, bounded: whatever is done to the pipeline, all arrives and nobody waits."""

import pytest

from benchmarks.chaos.cases import CASES
from benchmarks.chaos.world import world

pytestmark = [pytest.mark.built, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    with world(tmp_path_factory.mktemp("chaos")) as made:
        made.rounds, made.seconds, made.disturbed_seconds, made.outage_seconds = 1, 1.0, 10.0, 6.0
        # Others use the machine too, and one round has no spread: that requests do not wait for an export is all.
        made.noise_ms = 1500.0
        yield made


@pytest.mark.parametrize(
    "name", ["killed", "jaeger", "in-a-request", "preload", "redis-failover", "postgresql-failover", "suspended"]
)
def test_nothing_is_lost_or_felt(at, name):
    assert CASES[name](at).faults == []
