"""The doctor's probe, through the whole pipeline."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.built, pytest.mark.timeout(240)]


@pytest.mark.parametrize(("protocol", "port"), [("http/protobuf", "otlp_http"), ("grpc", "otlp_grpc")])
def test_a_probe_is_found_in_prometheus_and_jaeger(pipeline, protocol, port):
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": pipeline.url(port), "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    urls = ["--prometheus", pipeline.url("prometheus"), "--jaeger", pipeline.url("jaeger")]
    command = [sys.executable, "-m", "wxiai_otel.cli", "doctor", "--json", *urls]

    done = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=120, check=False
    )

    found = {one["name"]: (one["state"], one["message"]) for one in json.loads(done.stdout)["findings"]}
    assert found["prometheus"][0] == found["jaeger"][0] == "ok", found
    assert done.returncode == 0
    # What comes and goes with a probe is no application that is down.
    assert pipeline.query('system_info{job="wxiai-otel-doctor"}') == []
