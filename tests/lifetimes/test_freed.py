"""No object of an application outlives it, whether or not its telemetry was shut down."""

import json
import os
import subprocess
import sys

import pytest

from tests.lifetimes.freed import SCENARIOS


@pytest.fixture(scope="module", params=["shutdown", "drop"])
def left(request, tmp_path_factory):
    """Return the objects left of two applications of each scenario, in a process without pytest."""
    folder = str(tmp_path_factory.mktemp("workers"))
    command = [sys.executable, "-m", "tests.lifetimes.freed", request.param, "2", *SCENARIOS, folder]
    ran = subprocess.run(command, capture_output=True, check=False, timeout=120, env=dict(os.environ))
    assert ran.returncode == 0, ran.stderr.decode()
    return json.loads(ran.stdout.decode().splitlines()[-1])


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.long
def test_nothing_is_left_of_an_application(left, scenario):
    assert left[scenario] == {"kept": [], "alive": [], "more": {}, "threads": []}
