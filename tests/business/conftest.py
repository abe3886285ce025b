"""One Redis and one cluster for all tests of this folder; each test begins with the Redis empty."""

from collections.abc import Iterator

import pytest

from tests.servers.redis import RedisServer, redis_cluster, redis_server
from wxiai_otel.business import _ai


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(running_redis: RedisServer) -> RedisServer:
    running_redis.ask("FLUSHALL")
    return running_redis


@pytest.fixture(scope="session")
def cluster() -> Iterator[RedisServer]:
    with redis_cluster() as server:
        yield server


@pytest.fixture(autouse=True)
def warned_anew():
    _ai._warn_of_missing_secret.cache_clear()
