"""The application's objects that settings take, by what is used of them. Their packages are optional."""

from typing import Any, Protocol


class Engine(Protocol):
    """An engine of SQLAlchemy, sync or async."""

    @property
    def dialect(self) -> Any:
        """Its dialect."""

    @property
    def pool(self) -> Any:
        """Its pool of connections."""


class _Client(Protocol):
    @property
    def connection_pool(self) -> Any: ...


class _ClusterClient(Protocol):
    @property
    def nodes_manager(self) -> Any: ...


RedisClient = _Client | _ClusterClient
