"""Our own connection to Redis: it never waits longer than the work that uses it may take."""

import socket
import time

import pytest
import redis

from tests.redis.internals import Address, Link, within


@pytest.fixture
def silent():
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=10) as redis_server:
        yield redis_server


@pytest.mark.parametrize("allowed", [0.0, 0.2], ids=["no time", "some time"])
@pytest.mark.parametrize(
    "address", [{}, {"db": 1}, {"credentials": lambda: ("secret",)}], ids=["command", "SELECT", "AUTH"]
)
@pytest.mark.parametrize("opened", [False, True], ids=["first use", "open already"])
def test_a_silent_server_is_given_up_by_the_deadline(silent, address, opened, allowed):
    link = Link(Address("127.0.0.1", silent.getsockname()[1], **({} if opened else address)), 10)
    if opened:
        link._open()
    before = time.monotonic()
    with within(before + allowed), pytest.raises(redis.RedisError):
        link.send([("PING",)])
    assert time.monotonic() - before < 5
    link.close()
