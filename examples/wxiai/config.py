"""Where the database, the cache and the AI provider are: WXIAI_DATABASE_URL, WXIAI_REDIS_URL, WXIAI_PROVIDER_URL."""

import os
from dataclasses import dataclass

from sqlalchemy.engine import URL, make_url

_DRIVERS = {
    "sqlite": ("sqlite", "sqlite+aiosqlite"),
    "postgresql": ("postgresql+psycopg", "postgresql+asyncpg"),
}


@dataclass(frozen=True, slots=True)
class Config:
    """The three URLs."""

    database_url: URL
    redis_url: str
    provider_url: str

    def drivers(self) -> tuple[URL, URL]:
        """The database's URL for the sync and for the async engine."""
        backend = self.database_url.get_backend_name()
        if backend not in _DRIVERS:
            raise ValueError(f"WXIAI_DATABASE_URL is of {backend!r}; allowed are {', '.join(_DRIVERS)}")
        sync, asynchronous = _DRIVERS[backend]
        return self.database_url.set(drivername=sync), self.database_url.set(drivername=asynchronous)


def from_environment() -> Config:
    """Read the URLs; without them, a SQLite file in the working directory and local ports."""
    return Config(
        make_url(os.environ.get("WXIAI_DATABASE_URL", "sqlite:///wxiai.db")),
        os.environ.get("WXIAI_REDIS_URL", "redis://127.0.0.1:6379/0"),
        os.environ.get("WXIAI_PROVIDER_URL", "http://127.0.0.1:8001"),
    )
