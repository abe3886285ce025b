"""What all workers share stands in one Redis: the one that is named, or else that of the first client."""

import os

import pytest
import redis
import redis.asyncio
from redis.sentinel import Sentinel

from tests.servers.certificates import certificates
from tests.servers.ports import free_port
from tests.servers.redis import run_redis
from wxiai_otel.redis import StateRedis


def state_of(client) -> StateRedis:
    return StateRedis(client, 2.0, "wxiai_otel")


def holds(state: StateRedis, redis_server) -> bool:
    """Whether what the state writes stands in the server."""
    key = state.key("tasks", "x")
    state.client("tasks").send("SET", key, "written")
    return "written" in redis_server.ask("GET", key)


class TestTheRedis:
    def test_is_the_one_named_by_url(self, redis_server):
        assert holds(state_of(redis_server.url), redis_server)

    @pytest.mark.parametrize("decode_responses", [True, False])
    def test_is_that_of_a_client(self, redis_server, decode_responses):
        client = redis.Redis(port=redis_server.port, decode_responses=decode_responses)
        assert holds(state_of(client), redis_server)

    async def test_is_that_of_a_client_of_an_event_loop(self, redis_server):
        async with redis.asyncio.Redis(port=redis_server.port, decode_responses=True) as client:
            assert holds(state_of(client), redis_server)

    def test_is_that_of_a_socket_and_a_database(self, redis_server):
        state = state_of(redis.Redis(unix_socket_path=redis_server.unix_socket, db=3))
        state.client("tasks").send("SET", "x", 1)
        assert redis.Redis(port=redis_server.port, db=3).get("x") == b"1"

    def test_is_the_master_of_a_sentinel(self, redis_server):
        port = free_port()
        with run_redis(f"sentinel monitor mymaster 127.0.0.1 {redis_server.port} 1", port=port, sentinel=True):
            client = Sentinel([("127.0.0.1", port)]).master_for("mymaster")
            assert holds(state_of(client), redis_server)

    def test_is_the_node_of_a_cluster_that_has_the_group(self, redis_cluster):
        client = redis.RedisCluster(host="127.0.0.1", port=redis_cluster.port)
        state = state_of(client)
        nodes = set()
        for group in map(str, range(30)):
            state.client(group).send_all([("SET", state.key(group, name), name) for name in "abc"], transaction=True)
            nodes.add(client.get_node_from_key(state.key(group, "")).port)
            assert [client.get(state.key(group, name)) for name in "abc"] == [b"a", b"b", b"c"]
        assert len(nodes) == 3

    async def test_is_the_cluster_of_a_client_of_an_event_loop_used_or_not(self, redis_cluster):
        async with redis.asyncio.RedisCluster(host="127.0.0.1", port=redis_cluster.port) as used:
            await used.set("x", 1)
            unused = redis.asyncio.RedisCluster(host="127.0.0.1", port=redis_cluster.port)
            for client in (used, unused):
                state = state_of(client)
                state.client("tasks").send("SET", state.key("tasks", "y"), "z")
                assert await used.get(state.key("tasks", "y")) == b"z"
                await used.delete(state.key("tasks", "y"))

    @pytest.mark.parametrize("library", [redis, redis.asyncio])
    def test_uses_the_clients_tls_options(self, library, tmp_path):
        made = certificates(tmp_path, "DNS:localhost", "IP:127.0.0.1")
        files = {"cert": made.certificate, "key": made.key, "ca-cert": made.authority}
        port = free_port()
        options = [word for name, path in files.items() for word in (f"--tls-{name}-file", str(path))]
        with run_redis("--tls-port", str(port), *options) as redis_server:  # which wants our certificate too
            known = {
                "ssl_ca_certs": str(made.authority),
                "ssl_certfile": str(made.certificate),
                "ssl_keyfile": str(made.key),
            }
            assert holds(state_of(library.Redis(host="localhost", port=port, ssl=True, **known)), redis_server)
            query = "&".join(f"{name}={value}" for name, value in known.items())
            state = state_of(f"rediss://localhost:{port}/0?{query}")
            assert [holds(state, redis_server) for _ in range(3)] == [True] * 3
            for stranger in ({}, {**known, "ssl_ca_certs": None}):
                with pytest.raises(redis.ConnectionError, match="SSL"):
                    holds(state_of(library.Redis(host="localhost", port=port, ssl=True, **stranger)), redis_server)

    def test_is_connected_with_the_clients_password(self):
        with run_redis("--requirepass", "secret") as redis_server:
            state = state_of(redis.Redis(port=redis_server.port, password="secret"))
            state.client("tasks").send("SET", "x", 1)
            assert state.client("tasks").send("GET", "x") == b"1"


class TestTheFirstClient:
    def test_says_which_it_is_and_no_other_after_it(self, redis_server):
        state = state_of(None)
        assert not state.is_known
        with pytest.raises(redis.ConnectionError, match="no client"):
            state.client("tasks")
        state.see(redis.Redis(port=redis_server.port))
        state.see(redis.Redis(port=free_port()))
        assert state.is_known
        assert holds(state, redis_server)

    def test_is_not_asked_where_one_is_named(self, redis_server):
        state = state_of(redis_server.url)
        state.see(redis.Redis(port=free_port()))
        assert holds(state, redis_server)

    @pytest.mark.faulty
    def test_that_is_none_is_in_nobodys_way(self, redis_server):
        state = state_of(None)
        state.see(object())
        assert not state.is_known
        state.see(redis.Redis(port=redis_server.port))
        assert holds(state, redis_server)


class TestAConnection:
    def test_is_kept(self, redis_server):
        state = state_of(redis_server.url)
        state.client("tasks").send("SET", "x", 1)
        before = redis_server.connections()
        for _ in range(20):
            assert state.client("tasks").send("GET", "x") == b"1"
        assert redis_server.connections() == before

    def test_is_opened_again_after_the_server_closes_it(self, redis_server):
        state = state_of(redis_server.url)
        assert holds(state, redis_server)
        redis_server.ask("CLIENT", "KILL", "TYPE", "normal")
        assert holds(state, redis_server)

    def test_finds_a_server_that_came_back(self):
        port = free_port()
        state = state_of(f"redis://127.0.0.1:{port}/0")
        with run_redis(port=port):
            state.client("tasks").send("SET", "x", 1)
        with pytest.raises(redis.ConnectionError):
            state.client("tasks").send("GET", "x")
        with run_redis(port=port):
            assert state.client("tasks").send("GET", "x") is None

    def test_is_a_forked_childs_own(self, redis_server):
        state = state_of(redis_server.url)
        assert holds(state, redis_server)
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            try:
                os.write(writing, str(state.client("tasks").send("CLIENT", "ID")).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert int(os.read(reading, 100)) != state.client("tasks").send("CLIENT", "ID")


def test_all_keys_of_a_group_are_in_one_slot():
    state = StateRedis(None, 1, "mine")
    assert state.key("tasks-1", "open") == "mine:{tasks-1}:open"
