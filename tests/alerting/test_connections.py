"""Connections to the bridge that anyone can open, with or without its token."""

import contextlib
import itertools
import socket
import time

import pytest

from tests.alerting.internals import http, serve
from tests.alerting.test_bridge import environ, group
from tests.servers.bridge import bridge_here
from tests.until import until

BEGUN = b"POST /notify/webhook HTTP/1.1\r\nHost: bridge\r\n"


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def is_closed(connection):
    """Return whether the bridge closes a connection. It may answer first."""
    with contextlib.suppress(OSError):
        while connection.recv(4096):
            pass
    return True


def many_headers():
    yield BEGUN
    for number in itertools.count():
        yield b"x-header-%d: %s\r\n" % (number, b"a" * 500)


def one_header():
    yield BEGUN + b"x-header: "
    yield from itertools.repeat(b"a" * 500)


def target():
    yield b"POST /notify/webhook?"
    yield from itertools.repeat(b"a" * 500)


@pytest.mark.parametrize("endless", [many_headers, one_header, target])
def test_endless_headers_are_refused(sink, endless):
    sent = 0
    with bridge_here(environ(sink, "webhook")) as server, connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with contextlib.suppress(OSError):
            for part in endless():
                connection.sendall(part)
                sent += len(part)
                assert sent < 16 * 2**20, "the bridge collects all of it"
        assert server.notify("webhook", group())[0] == 200


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.2)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("begun", [b"", BEGUN, b"GET /health HTTP/1.1\r\nHost: bridge\r\n\r\n" + BEGUN])
def test_connections_without_a_request_block_no_notification_for_long(sink, monkeypatch, begun):
    monkeypatch.setattr(serve, "_MAX_CONNECTIONS", 10)
    with bridge_here(environ(sink, "webhook")) as server, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(20)]
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sendall(begun)
        assert until(lambda: server.ask("POST", "/notify/webhook", b"{}")[0] == 400)
        assert all(map(is_closed, connections))


@pytest.mark.usefixtures("quick")
def test_headers_that_arrive_byte_by_byte_are_not_waited_for(sink):
    def send_slowly():
        for byte in BEGUN + b"x-header: " + b"a" * 500:
            connection.sendall(bytes([byte]))
            time.sleep(0.01)  # the pace of the client

    with (
        bridge_here(environ(sink, "webhook")) as server,
        connect(server) as connection,
        pytest.raises((ConnectionResetError, BrokenPipeError)),
    ):
        send_slowly()


@pytest.mark.usefixtures("quick")
def test_a_notification_that_waits_for_its_channel_keeps_its_connection(sink):
    sink.faults["webhook"] = ["503", "503"]
    with bridge_here(environ(sink, "webhook")) as server:
        started = time.monotonic()
        assert server.notify("webhook", group())[0] == 200
        assert time.monotonic() - started > 3 * http.REQUEST_SECONDS
