"""Where the database, the cache and the AI provider are, and which secrets go with them; all by WXIAI_… variables."""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url

_DRIVERS = {
    "sqlite": ("sqlite", "sqlite+aiosqlite"),
    "postgresql": ("postgresql+psycopg", "postgresql+asyncpg"),
}


@dataclass(frozen=True, slots=True)
class Config:
    """The URLs, and the secret that signs the tokens of AI tasks."""

    database_url: URL
    redis_url: str
    provider_url: str
    # Where the provider calls back; None: at the address that the user's request came to.
    callback_url: str | None
    task_secret: str | None

    def drivers(self) -> tuple[URL, URL]:
        """The database's URL for the sync and for the async engine."""
        backend = self.database_url.get_backend_name()
        if backend not in _DRIVERS:
            raise ValueError(f"WXIAI_DATABASE_URL is of {backend!r}; allowed are {', '.join(_DRIVERS)}")
        sync, asynchronous = _DRIVERS[backend]
        return self.database_url.set(drivername=sync), self.database_url.set(drivername=asynchronous)


def from_environment() -> Config:
    """Read them; without them, a SQLite file in the working directory and local ports."""
    url = make_url(os.environ.get("WXIAI_DATABASE_URL", "sqlite:///wxiai.db"))
    password = _secret("WXIAI_DATABASE_PASSWORD_FILE")
    return Config(
        url if password is None else url.set(password=password),
        os.environ.get("WXIAI_REDIS_URL", "redis://127.0.0.1:6379/0"),
        os.environ.get("WXIAI_PROVIDER_URL", "http://127.0.0.1:8001"),
        os.environ.get("WXIAI_CALLBACK_URL"),
        _secret("WXIAI_TASK_SECRET_FILE"),
    )


def _secret(variable: str) -> str | None:
    """What is in the file that a variable names."""
    file = os.environ.get(variable)
    if not file:
        return None
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise ValueError(f"{variable} is {file!r}: {error.strerror}") from None
