"""Whose request it is: the address, or what a proxy that is trusted says of it."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from starlette.types import Scope

from .._headers import values_of

_MAX_LENGTH = 64
_MAX_HEADER = 512
_IPV6_PREFIX_BITS = 64


class Clients:
    """Finds the address that a request came from.

    Parameters:
        trusted_proxies: Addresses and networks whose X-Forwarded-For is believed.
    """

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        self._proxies = tuple(ip_network(proxy) for proxy in trusted_proxies)
        self._is_proxy = lru_cache(maxsize=1024)(self._in_networks)
        self._last_hop = lru_cache(maxsize=4096)(self._find_last_hop)

    def address(self, scope: Scope) -> str | None:
        """The address of the client; of IPv6 its network, because a host has all of that.

        Parameters:
            scope: The ASGI scope of a request.
        """
        client: Any = scope.get("client")
        if not client:
            return None
        # Servers that trust a proxy put the text of its header here. Nothing longer is remembered.
        address = str(client[0])[:_MAX_LENGTH]
        if self._proxies and self._is_proxy(address):
            address = self._forwarded(scope) or address
        return _grouped(address) if ":" in address else address

    def _forwarded(self, scope: Scope) -> str | None:
        """The last address that no trusted proxy has: those before it are only what the client says."""
        values = values_of(scope.get("headers"), b"x-forwarded-for")
        return self._last_hop(b",".join(values)[-_MAX_HEADER:]) if values else None

    def _find_last_hop(self, forwarded: bytes) -> str | None:
        address = None
        for hop in reversed(forwarded.decode("latin-1").split(",")):
            address = _without_port(hop.strip()[:_MAX_LENGTH])
            if _parsed(address) is None:
                return None
            if not self._is_proxy(address):
                return address
        return address

    def _in_networks(self, address: str) -> bool:
        found = _parsed(address)
        return found is not None and any(found in network for network in self._proxies)


def _without_port(hop: str) -> str:
    """Some proxies write the client's port as well: 192.0.2.1:4711, [2001:db8::1]:4711."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address; a socket for both versions gives IPv4 mapped into IPv6."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(maxsize=4096)
def _grouped(address: str) -> str:
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found), _IPV6_PREFIX_BITS), strict=False))
    return address if found is None else str(found)
