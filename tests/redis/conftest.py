"""One server and one cluster for all tests of this folder; each test begins with them empty."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from tests.servers.redis import RedisServer, redis_cluster, redis_server
from wxiai_otel import Telemetry, setup_telemetry


@pytest.fixture(scope="session")
def running_server() -> Iterator[RedisServer]:
    with redis_server("--enable-debug-command", "local") as server:
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[RedisServer]:
    with redis_cluster() as server:
        yield server


@pytest.fixture
def server(running_server: RedisServer) -> RedisServer:
    running_server.ask("FLUSHALL")
    running_server.ask("SCRIPT", "FLUSH")
    running_server.ask("CONFIG", "RESETSTAT")
    return running_server


@pytest.fixture
def telemetry() -> Telemetry:
    return setup_telemetry(FastAPI())
