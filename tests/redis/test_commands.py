"""What a command is to the contract."""

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from tests.redis.internals import read

READ = ["GET", "MGET", "HGET", "HMGET", "HGETALL", "GETEX", "GETDEL"]
WRITTEN = ["SET", "SETEX", "PSETEX", "SETNX", "MSET", "HSET"]
DELETED = ["DEL", "UNLINK", "HDEL"]
OTHERS = [
    "INCR",
    "LPUSH",
    "EVALSHA",
    "PUBLISH",
    "GETRANGE",
    "GETSET",
    "EXISTS",
    "STRLEN",
    "HEXISTS",
    "JSON.GET",
    "",
    "?",
]


@pytest.mark.parametrize(
    ("command", "operation"),
    [
        *((command, "get") for command in READ),
        *((command, "set") for command in WRITTEN),
        *((command, "delete") for command in DELETED),
        *((command, "other") for command in OTHERS),
    ],
)
def test_a_command_has_the_contracts_operation(command, operation):
    assert read((command, "key")).operation == operation
    assert read((command.lower(), "key")).operation == operation
    assert read((command.encode(), "key")).operation == operation


@pytest.mark.parametrize("arguments", [("GET", "key"), ("get key",), (b"GET", b"key"), (memoryview(b"Get"), "key")])
def test_a_command_is_read_in_every_form_that_redis_py_takes(arguments):
    assert read(arguments).name == "GET"
    assert len(read(arguments).arguments) == 1


@pytest.mark.parametrize(
    ("arguments", "response", "results"),
    [
        (("GET", "a"), "value", {"hit": 1}),
        (("GET", "a"), b"", {"hit": 1}),
        (("GET", "a"), 0, {"hit": 1}),
        (("GET", "a"), None, {"miss": 1}),
        (("GETEX", "a"), None, {"miss": 1}),
        (("GETDEL", "a"), "value", {"hit": 1}),
        (("HGET", "h", "f"), None, {"miss": 1}),
        (("MGET", "a", "b", "c"), ["1", None, "3"], {"hit": 2, "miss": 1}),
        (("MGET", "a"), [None], {"miss": 1}),
        (("HMGET", "h", "f", "g"), ["1", "2"], {"hit": 2}),
        (("HGETALL", "h"), {"f": 1}, {"hit": 1}),
        (("HGETALL", "h"), {}, {"miss": 1}),
        (("HGETALL", "h"), [], {"miss": 1}),
        (("SET", "a", 1), True, {"success": 1}),
        (("SET", "a", 1, "NX"), None, {"success": 1}),
        (("SET", "a", 1, "GET"), None, {"success": 1}),
        (("DEL", "a", "b"), 0, {"success": 1}),
        (("BLPOP", "list", 1), None, {"success": 1}),
        (("GET", "a"), redis.ResponseError(), {"error": 1}),
        (("MGET", "a", "b", "c"), redis.ConnectionError(), {"error": 3}),
        (("HMGET", "h", "f", "g"), redis.ResponseError(), {"error": 2}),
        (("MGET",), redis.ResponseError(), {"error": 1}),
        (("HGETALL", "h"), redis.ResponseError(), {"error": 1}),
        (("SET", "a", 1), redis.TimeoutError(), {"error": 1}),
    ],
)
def test_every_key_read_is_a_hit_or_a_miss_and_every_other_command_a_success(arguments, response, results):
    assert dict(read(arguments).results(response)) == results


@pytest.mark.parametrize(
    ("arguments", "blocking"),
    [
        (("BLPOP", "list", 1), True),
        (("blmove", "a", "b", "LEFT", "LEFT", 0), True),
        (("BZPOPMIN", "z", 0), True),
        (("WAIT", 1, 100), True),
        (("XREAD", "BLOCK", 0, "STREAMS", "s", "$"), True),
        (("XREADGROUP", "GROUP", "g", "c", b"block", 5, "STREAMS", "s", ">"), True),
        (("XREAD", "COUNT", 1, "STREAMS", "s", "0"), False),
        (("LPOP", "list"), False),
        (("GET", "BLOCK"), False),
    ],
)
def test_a_command_that_waits_for_something_to_happen_is_blocking(arguments, blocking):
    assert read(arguments).is_blocking is blocking


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("CONFIG", "get", "maxmemory"), "CONFIG GET"),
        (("CONFIG GET", "maxmemory"), "CONFIG GET"),
        (("SCRIPT LOAD", "return 1"), "SCRIPT LOAD"),
        (("GET", "secret"), "GET"),
        (("GET secret",), "GET"),
        (("CLIENT",), "CLIENT"),
    ],
)
def test_the_full_name_has_the_subcommand_but_never_a_key(arguments, name):
    assert read(arguments).full_name == name


@given(st.lists(st.one_of(st.text(), st.binary(), st.integers(), st.floats(), st.none())))
def test_whatever_is_sent_is_one_of_four_operations_and_counted_at_least_once(arguments):
    command = read(tuple(arguments))
    assert command.operation in {"get", "set", "delete", "other"}
    assert sum(count for _, count in command.results(ValueError())) >= 1
    assert isinstance(command.is_blocking, bool)
    assert command.full_name.count(" ") <= 1
