"""Whose request it is: an address that cannot be chosen by whoever sends it."""

import tracemalloc

import pytest

from tests.asgi import http_scope
from wxiai_otel.detection import Clients

PROXIES = ("10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7/32")


def address(client: str | None, *forwarded: str, proxies=PROXIES) -> str | None:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    where = (client, 4711) if client is not None else None
    return Clients(proxies).address(http_scope("GET", "/", headers=headers, client=where))


def test_the_address_is_that_of_the_connection():
    assert address("203.0.113.9") == "203.0.113.9"
    assert address(None) is None
    assert address("testclient") == "testclient"


def test_x_forwarded_for_is_believed_from_no_one_else():
    assert address("203.0.113.9", "1.2.3.4") == "203.0.113.9"
    assert address("10.0.0.1", "1.2.3.4", proxies=()) == "10.0.0.1"
    assert address("testclient", "1.2.3.4") == "testclient"


@pytest.mark.parametrize(
    ("forwarded", "found"),
    [
        (["1.2.3.4"], "1.2.3.4"),
        ([" 1.2.3.4 "], "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        (["6.6.6.6, 1.2.3.4, 10.9.9.9"], "1.2.3.4"),
        (["6.6.6.6", "1.2.3.4, 10.9.9.9", "192.0.2.7"], "1.2.3.4"),
        (["10.5.5.5, 10.9.9.9"], "10.5.5.5"),
        (["1.2.3.4:5678"], "1.2.3.4"),
        (["[2400:1:2:3::9]:5678"], "2400:1:2:3::/64"),
        (["2400:1:2:3::9"], "2400:1:2:3::/64"),
        (["::ffff:1.2.3.4"], "1.2.3.4"),
        (["1.2.3.4, ::ffff:10.9.9.9"], "1.2.3.4"),
    ],
)
def test_of_several_hops_the_last_that_is_no_proxy_counts(forwarded, found):
    assert address("10.0.0.1", *forwarded) == found
    assert address("::ffff:10.0.0.1", *forwarded) == found, "by a socket for both versions"
    assert address("2001:db8:1::5", *forwarded) == found


@pytest.mark.parametrize(
    "forwarded", ["", ",", "unknown", "1.2.3.4, garbage", "1.2.3.4.5", "\xff\xfe", "[", "a" * 10_000, "," * 10_000]
)
def test_garbage_is_nobodys_address_but_the_proxys(forwarded):
    assert address("10.0.0.1", forwarded) == "10.0.0.1"


@pytest.mark.parametrize(
    ("client", "found"),
    [
        ("2400:cb00:2048:1::c629:d7a2", "2400:cb00:2048:1::/64"),
        ("2400:cb00:2048:1:ffff:ffff:ffff:ffff", "2400:cb00:2048:1::/64"),
        ("2400:cb00:2048:2::1", "2400:cb00:2048:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        (":" * 500, ":" * 64),
    ],
)
def test_of_ipv6_the_network_is_the_client(client, found):
    assert address(client) == found


@pytest.mark.parametrize("client", ["{}" + 60_000 * "a", "{}:" + 60_000 * "b", "10.0.0.1, {}" + 60_000 * "c"])
def test_what_is_remembered_of_an_address_is_short(client):
    """A server that trusts every proxy takes the address from a header, of any length."""
    clients = Clients(PROXIES)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        found = [clients.address(http_scope("GET", "/", client=(client.format(n), 0))) for n in range(1_000)]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(set(found)) == 1_000
    assert max(map(len, found)) <= 64
    assert kept - before < 2_000_000
