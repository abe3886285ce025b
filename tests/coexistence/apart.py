"""Applications that run in a process of their own, because what they have beside ours leaves its hooks for good."""

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

# Two requests, one of which fails.
SHOP = """
    from fastapi import FastAPI
    from sqlalchemy import create_engine, text
    from starlette.testclient import TestClient
    from wxiai_otel import setup_telemetry

    app = FastAPI()
    engine = create_engine("sqlite://")

    @app.get("/orders/{order_id}")
    def order(order_id: int) -> int:
        with engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM sqlite_master"))
        if order_id == 0:
            raise ValueError("there is no such order")
        return order_id

    telemetry = setup_telemetry(app)
    client = TestClient(app, raise_server_exceptions=False)
    statuses = [client.get(f"/orders/{n}").status_code for n in (7, 0)]
    lines = telemetry.render_metrics()[0].decode().splitlines()
    counts = {
        name: sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{"))
        for name in ("http_requests_total", "db_query_duration_seconds_count", "wxiai_otel_faults_total")
    }
"""
COUNTED_ONCE = {"http_requests_total": 2, "db_query_duration_seconds_count": 2, "wxiai_otel_faults_total": 0}


def ran(*parts: str, **environ: str) -> Any:
    """What a program, given in parts, has printed as JSON in its last line."""
    code = "\n".join(textwrap.dedent(part) for part in parts)
    command = [sys.executable, "-W", "ignore", "-c", code]
    env = {**os.environ, **environ}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
