"""The demo through the stack prints what Prometheus has."""

import os
import re
import subprocess
import sys

import pytest

from stack.programs import ROOT
from tests.servers.ports import free_port

pytestmark = pytest.mark.built


def test_the_demos_table_is_asked_of_prometheus(pipeline):
    command = [sys.executable, "-m", "examples.demo", "--stack", "--seconds", "3", "--port", str(free_port())]
    # Wide enough for the last line, however many statuses there were.
    environ = {**os.environ, "STACK_DATA": str(pipeline.data), "COLUMNS": "300"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr

    assert f"Asked of Prometheus at {pipeline.url('prometheus')}" in done.stdout
    # The last line may be broken anywhere.
    last = " ".join(done.stdout.partition("requests were answered:")[2].split())
    answered = sum(int(count) for count in re.findall(r"(\d+) \S \d{3}\b", last))
    row = next(line for line in done.stdout.splitlines() if "http_requests_total" in line)
    assert int(row.split("│")[4].replace(",", "")) >= answered > 50
