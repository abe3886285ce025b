"""What clients of a real server do is what is counted."""

import asyncio
import http.client
import signal
import socket
import time

import pytest
from websockets.asyncio.client import connect

from tests.otlp import http_receiver
from tests.servers.uvicorn import uvicorn

APP = "tests.integration.served:app"


@pytest.fixture(scope="module")
def running():
    with uvicorn(APP) as running:
        yield running


def leave_after(server, path, seconds):
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(seconds)


def test_requests_over_one_connection_are_each_counted(running):
    before = running.scrape().value("http_requests_total", endpoint="/fast/{n}")
    client = http.client.HTTPConnection("127.0.0.1", running.port)
    for number in range(200):
        client.request("GET", f"/fast/{number}")
        assert client.getresponse().read() == str(number).encode()

    seen = running.scrape()
    assert seen.value("http_requests_total", endpoint="/fast/{n}", status_code="200") == before + 200
    assert seen.value("http_concurrent_connections") == 0


def test_a_client_that_leaves_before_the_response_is_499(running):
    leave_after(running, "/slow", 0.1)

    seen = running.until("http_requests_total", 1, endpoint="/slow")
    assert seen.series("http_requests_total", "endpoint", "status_code")["/slow", "499"] == 1
    assert ("/slow", "200") not in seen.series("http_requests_total", "endpoint", "status_code")


def test_a_client_that_leaves_a_stream_is_a_disconnect(running):
    leave_after(running, "/stream", 0.2)

    seen = running.until("http_stream_duration_seconds_count", 1, outcome="client_disconnect")
    assert seen.series("http_stream_duration_seconds_count", "endpoint", "outcome") == {
        ("/stream", "client_disconnect"): 1
    }
    assert seen.value("http_requests_total", endpoint="/stream", status_code="200") == 1
    assert not seen.has("application_errors_total")


def test_websockets_are_counted_from_acceptance_to_close(running):
    async def talk():
        async with connect(f"ws://127.0.0.1:{running.port}/ws") as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            return await asyncio.to_thread(running.scrape)

    during = asyncio.run(talk())
    seen = running.until("websocket_connections", 0)

    assert during.value("websocket_connections") == 1
    assert seen.series("websocket_duration_seconds_count", "endpoint", "outcome") == {("/ws", "completed"): 1}


def test_what_is_pending_is_exported_when_the_server_is_told_to_end():
    environ = {"WXIAI_OTEL_TRACE_SHARE": "1"}
    with (
        http_receiver() as received,
        uvicorn(APP, env={**environ, "OTEL_EXPORTER_OTLP_ENDPOINT": received.url}) as running,
    ):
        client = http.client.HTTPConnection("127.0.0.1", running.port)
        for number in range(50):
            client.request("GET", f"/fast/{number}")
            client.getresponse().read()
        client.close()
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(10)

    assert len(received.spans) == 50
    assert sum(point.count for point in received.points("http.server.request.duration")) == 50
