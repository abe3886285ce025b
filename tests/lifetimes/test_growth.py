"""Repeated setups and shutdowns leak nothing in a process."""

import json
import subprocess
import sys

import pytest

from tests.otlp import http_receiver

# Libraries keep a few objects for each set-up: FastAPI caches endpoints, and OpenTelemetry registers fork hooks.
KEPT_PER_SETUP = 60
MEGABYTES_PER_SETUP = 0.01


def measured(*numbers: int, endpoint: str = "") -> list[dict[str, float]]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.lifetimes.growth", *map(str, numbers), endpoint]
    ran = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr.decode()
    return json.loads(ran.stdout)


@pytest.mark.parametrize(("first", "last", "exports"), [(50, 300, False), (20, 60, True)], ids=["alone", "exporting"])
@pytest.mark.long
def test_repeated_setups_leak_no_memory_thread_file_or_fork_hook(first, last, exports):
    with http_receiver() as receiver:
        before, after = measured(first, last, endpoint=receiver.url if exports else "")

    more = {name: after[name] - before[name] for name in before}
    assert more["threads"] <= 0
    assert more["files"] <= 0
    assert more["objects"] < KEPT_PER_SETUP * (last - first)
    assert more["memory"] < 2 + MEGABYTES_PER_SETUP * (last - first)
    assert after["fork"] < 3 * before["fork"] + 0.01
