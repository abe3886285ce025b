"""What forked children measure is counted once, and so is what their parent has measured before."""

import subprocess
import sys

import pytest

# See `forking.CHILDREN`.
CHILDREN = 10
EACH = 1 + CHILDREN


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ((), (1, 1, 1)),
        (("registration",), (EACH, 1, 1)),
        (("meter",), (1, EACH, 1)),
        (("registration", "client"), (EACH, 1, EACH)),
        (("meter", "client", "registration", "meter"), (EACH, 1 + 2 * CHILDREN, EACH)),
    ],
)
def test_totals_are_exact(tmp_path, measured, expected):
    assert totals(tmp_path, *measured) == expected


def test_counts_of_prometheus_client_are_counted_once_if_telemetry_is_set_up_again(tmp_path):
    assert totals(tmp_path, "again")[2] == 1


def totals(tmp_path, *measured: str) -> tuple[int, ...]:
    program = [sys.executable, "-m", "tests.workers.forking", str(tmp_path / "workers"), *measured]
    printed = subprocess.run(program, check=True, capture_output=True, text=True, timeout=60).stdout
    return tuple(map(int, printed.split()))
