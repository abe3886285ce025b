"""The server in a client's options is not queried if the client connects to nothing or elsewhere."""

import asyncio
from contextlib import contextmanager, suppress
from unittest.mock import AsyncMock, Mock, patch

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.retry import Retry

from tests.monitoring.conftest import health
from tests.scrape import scrape
from tests.until import until
from wxiai_otel import record_user_activity, setup_telemetry

FAKE = "not checked: its client is a fake, or the application's own"


class FakeConnection(redis.Connection):
    """A connection to nothing, like that of fakeredis."""

    def connect(self):
        self._sock = object()

    def send_command(self, *words, **_options):
        pass

    def read_response(self, *_arguments, **_options):
        return b"PONG"

    def can_read(self, timeout=0):
        return False

    def disconnect(self, *_arguments):
        self._sock = None


class FakeAsyncConnection(redis.asyncio.Connection):
    async def connect(self):
        pass

    async def send_command(self, *words, **_options):
        pass

    async def read_response(self, *_arguments, **_options):
        return b"PONG"

    async def can_read(self):
        return False

    async def can_read_destructive(self):
        return False

    async def disconnect(self, *_arguments, **_options):
        pass


class FakeClient(redis.Redis):
    """A client to nothing."""

    def execute_command(self, *words, **_options):
        with suppress(redis.RedisError):
            super().execute_command(*words)
        return b"PONG"


class Pool(redis.ConnectionPool):
    """A pool of the application."""


class Provider(CredentialProvider):
    """A credential provider of the application."""

    calls = 0

    def get_credentials(self):
        Provider.calls += 1
        return ("default", "")


@contextmanager
def fake_classes(port):
    pool = redis.ConnectionPool.from_url(f"redis://127.0.0.1:{port}/0")
    pool.connection_class = FakeConnection
    yield redis.Redis(connection_pool=pool)


@contextmanager
def fake_async_classes(port):
    pool = redis.asyncio.ConnectionPool(connection_class=FakeAsyncConnection, host="127.0.0.1", port=port)
    yield redis.asyncio.Redis(connection_pool=pool)


@contextmanager
def pool_of_the_application(port):
    yield redis.Redis(connection_pool=Pool(connection_class=FakeConnection, host="127.0.0.1", port=port))


@contextmanager
def patched_commands(port):
    with patch.object(redis.Redis, "execute_command", Mock(return_value=b"PONG")):
        yield redis.Redis(port=port)


@contextmanager
def patched_async_commands(port):
    with patch.object(redis.asyncio.Redis, "execute_command", AsyncMock(return_value=b"PONG")):
        yield redis.asyncio.Redis(port=port)


@contextmanager
def patched_connection(port):
    with patch.object(redis.Connection, "connect", Mock(side_effect=redis.ConnectionError)):
        yield redis.Redis(port=port)


@contextmanager
def client_of_the_application(port):
    client = FakeClient(host="127.0.0.1", port=port)
    with patch.object(client.connection_pool, "get_connection", Mock(side_effect=redis.ConnectionError)):
        yield client


@contextmanager
def connect_function(port):
    yield redis.Redis(
        port=port, redis_connect_func=Mock(side_effect=redis.ConnectionError), retry=Retry(NoBackoff(), 0)
    )


FAKES = [
    fake_classes,
    fake_async_classes,
    pool_of_the_application,
    patched_commands,
    patched_async_commands,
    patched_connection,
    client_of_the_application,
    connect_function,
]


def setup(app, **settings):
    options = {"redis_poll_interval": 0.05, "health_interval": 0.05, "health_cache": 0.001, "workers_folder": "none"}
    return setup_telemetry(app, **{**options, **settings})


@pytest.mark.parametrize("named", [False, True], ids=["seen", "named"])
@pytest.mark.parametrize("fake", FAKES, ids=lambda fake: fake.__name__)
async def test_the_server_named_by_a_fake_is_never_contacted(app, redis_server, fake, named):
    # The setup wraps a method that was replaced before it. A later replacement removes the wrapper.
    with fake(redis_server.port) as client:
        before = redis_server.connections()
        telemetry = setup(app, **({"redis_client": client} if named else {}))
        with suppress(redis.RedisError):
            found = client.ping()
            if hasattr(found, "__await__"):
                await found
        record_user_activity("u1")
        status, content = await health(app)
        await asyncio.sleep(0.15)
        telemetry.force_flush(1)
        # The fixture's own requests are not counted; connect_function's client opens one itself.
        assert redis_server.connections() - before <= (fake is connect_function)
        assert (status, content["checks"]["redis"]) == (200, {"healthy": True, "message": FAKE, "latency_ms": None})
        seen = scrape(telemetry)
        assert not seen.has("cache_size_bytes")
        assert ("redis",) not in seen.series("health_check_status", "check")
        assert redis_server.ask("KEYS", "*") == "*0\r\n"


def test_a_client_of_redis_py_is_polled_after_a_fake_was_seen(app, redis_server):
    telemetry = setup(app)
    with fake_classes(redis_server.port) as client:
        client.ping()
    redis.Redis(port=redis_server.port).ping()
    assert until(lambda: scrape(telemetry).has("cache_size_bytes"))


@pytest.mark.parametrize("named", [False, True], ids=["seen", "named"])
@pytest.mark.parametrize("kind", ["subclass", "blocking pool", "wrapped commands"])
def test_real_clients_of_every_kind_are_polled(app, redis_server, kind, named, monkeypatch):
    class Cache(redis.Redis):
        """A client class of the application with one more method."""

        def both(self):
            return self.ping(), self.ping()

    if kind == "wrapped commands":  # as an APM does, and Sentry without `functools.wraps`
        original = redis.Redis.execute_command

        def wrapped(*words, **options):
            return original(*words, **options)

        monkeypatch.setattr(redis.Redis, "execute_command", wrapped)
    client = Cache(port=redis_server.port)
    if kind == "blocking pool":
        client = redis.Redis(connection_pool=redis.BlockingConnectionPool(port=redis_server.port))
    telemetry = setup(app, **({"redis_client": client} if named else {}))
    client.ping()
    client.ping()
    assert until(lambda: scrape(telemetry).has("cache_size_bytes"))


def test_patching_redis_py_later_shows_none_of_our_queries(app, redis_server):
    telemetry = setup(app)
    client = redis.Redis(port=redis_server.port)
    client.ping()
    assert until(lambda: scrape(telemetry).has("cache_size_bytes"))
    with (
        patch("redis.Redis") as one,
        patch("redis.client.Redis.execute_command") as two,
        patch("redis.connection.Connection.send_packed_command") as three,
        patch("redis.connection.Connection.connect") as four,
    ):
        calls = redis_server.command_calls()["info"]
        assert until(lambda: redis_server.command_calls()["info"] > calls + 4)
        assert not any(mock.called for mock in (one, two, three, four))


async def test_a_credential_provider_is_called_only_if_a_setting_names_the_client(app, redis_server):
    Provider.calls = 0
    client = redis.Redis(connection_pool=redis.ConnectionPool(port=redis_server.port, credential_provider=Provider()))
    telemetry = setup(app)
    with suppress(redis.RedisError):
        client.ping()
    calls = Provider.calls
    await asyncio.sleep(0.2)
    assert Provider.calls == calls
    _, content = await health(app)
    assert content["checks"]["redis"]["message"] == "not checked: its credential_provider is the application's own"
    telemetry.shutdown()


@pytest.mark.parametrize("make", ["FakeRedis", "FakeStrictRedis", "FakeAsyncRedis", "from_url", "server"])
async def test_fakeredis(app, redis_server, make):
    fakeredis = pytest.importorskip("fakeredis")
    before = redis_server.connections()
    telemetry = setup(app)
    if make == "from_url":
        client = fakeredis.FakeRedis.from_url(f"redis://127.0.0.1:{redis_server.port}/0")
    elif make == "server":
        client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), host="127.0.0.1", port=redis_server.port)
    else:
        client = getattr(fakeredis, make)(host="127.0.0.1", port=redis_server.port)
    found = client.set("a", 1)
    if hasattr(found, "__await__"):
        await found
    record_user_activity("u1")
    status, content = await health(app)
    telemetry.force_flush(1)
    assert (status, content["checks"]["redis"]["message"]) == (200, FAKE)
    assert redis_server.connections() == before
