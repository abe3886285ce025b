"""If no thread can be started, the application works, and its measurements arrive."""

import os
import subprocess
import sys

import pytest

from tests.otlp import Received, grpc_receiver, http_receiver

REQUESTS = 10

SERVES = f"""
import asyncio, sys
from fastapi import FastAPI
from tests.asgi import get
from wxiai_otel import setup_telemetry

app = FastAPI()

@app.get("/x")
async def answer(): return "x"

async def serve():
    for _ in range({REQUESTS}):
        assert (await get(app, "/x")).status == 200

telemetry = None
def set_up():
    global telemetry
    telemetry = setup_telemetry(app, trace_share=1, metric_export_interval=60, shutdown_timeout=5, state_redis="memory")
"""

# Fail as CPython does at the process's thread limit. A real limit does not apply to root.
NO_THREADS = """
import _thread, threading
def refused(*_, **__):
    raise RuntimeError("can't start new thread")
for module in (_thread, threading):
    for name in ("start_new_thread", "_start_new_thread", "start_joinable_thread", "_start_joinable_thread"):
        if hasattr(module, name):
            setattr(module, name, refused)
"""

AT_EXIT = "set_up()\nasyncio.run(serve())\n"
FLUSH = "assert telemetry.force_flush()\nimport os; os._exit(0)\n"
ENDS = {
    "exit": f"{SERVES}{AT_EXIT}",
    "shutdown at the thread limit": f"{SERVES}{AT_EXIT}{NO_THREADS}telemetry.shutdown()\n",
    "flush at the thread limit": f"{SERVES}{AT_EXIT}{NO_THREADS}{FLUSH}",
    "exit at the thread limit": f"{SERVES}{AT_EXIT}{NO_THREADS}",
}


def run(code: str, endpoint: str, protocol: str) -> None:
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=100, env=env)
    assert ran.returncode == 0, ran.stderr.decode()


def counted(receiver: Received) -> int:
    return sum(point.count for point in receiver.points("http.server.request.duration"))


@pytest.mark.parametrize("receiving", [http_receiver, grpc_receiver], ids=["http/protobuf", "grpc"])
@pytest.mark.parametrize("how", ENDS)
def test_the_last_export_arrives(how, receiving):
    with receiving() as receiver:
        run(ENDS[how], receiver.url, "grpc" if receiving is grpc_receiver else "http/protobuf")

    assert (counted(receiver), len(receiver.spans)) == (REQUESTS, REQUESTS)


def test_an_application_set_up_at_the_thread_limit_works_and_exports_metrics():
    answered = "assert b'http_requests_total' in telemetry.render_metrics()[0]\n"
    with http_receiver() as receiver:
        run(f"{SERVES}{NO_THREADS}{AT_EXIT}{answered}", receiver.url, "http/protobuf")

    assert counted(receiver) == REQUESTS
