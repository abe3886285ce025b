"""SQLAlchemy 2.1 installs greenlet only with its extra `asyncio`: an application without one has none."""

import subprocess
import sys

APPLICATION = """
import sys
import tempfile
sys.modules["greenlet"] = None

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text

from wxiai_otel import setup_telemetry

app = FastAPI()
engine = create_engine(f"sqlite:///{tempfile.mkdtemp()}/shop.db")
setup_telemetry(app, strict=True)


@app.get("/tables")
def tables():
    with engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar()


with TestClient(app) as client:
    client.get("/tables")
    print(client.get("/monitoring/metrics").text)
    print(client.get("/monitoring/health").text)
"""


def test_an_application_without_it_is_instrumented_as_any():
    command = [sys.executable, "-W", "ignore", "-c", APPLICATION]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert seen.stderr == ""
    assert 'db_query_duration_seconds_count{operation="SELECT",table="sqlite_master"} 1.0' in seen.stdout
    assert "wxiai_otel_faults_total{" not in seen.stdout
    assert '"database":{"healthy":true,"message":"ok"' in seen.stdout
