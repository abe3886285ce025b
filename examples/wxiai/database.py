"""Users, credits and tasks, in tables; one sync and one async engine on the same database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ForeignKey, create_engine, event, func, insert, select
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from .config import Config

ROLES = ("admin", "vip", "user", "user", "user", "pending")
FIRST_CREDITS = 200
# Any number that nothing else locks.
_CREATION = 7_719_424


class Base(DeclarativeBase):
    """Of all tables."""


class User(Base):
    """Someone who may sign in, by a token."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]  # as it is: this is an example of telemetry
    token: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]


class CreditEntry(Base):
    """One movement of credits; a user's balance is the sum of theirs."""

    __tablename__ = "credit_entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    amount: Mapped[int]
    reason: Mapped[str]


class Task(Base):
    """An AI task and what came of it."""

    __tablename__ = "tasks"
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    service: Mapped[str]
    prompt: Mapped[str]
    status: Mapped[str]
    result: Mapped[str | None]
    telemetry_token: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC).replace(tzinfo=None))


class Database:
    """Both engines and their sessions."""

    def __init__(self, config: Config) -> None:
        sync_url, async_url = config.drivers()
        self.engine: Engine = create_engine(sync_url)
        self.async_engine: AsyncEngine = create_async_engine(async_url)
        self.sessions = sessionmaker(self.engine)
        self.async_sessions = async_sessionmaker(self.async_engine, expire_on_commit=False)
        if self.engine.dialect.name == "sqlite":
            for engine in (self.engine, self.async_engine.sync_engine):
                event.listen(engine, "connect", _let_writers_wait)

    def create(self) -> None:
        """Make the tables, and the first users where there are none."""
        with self.sessions.begin() as session:
            if self.engine.dialect.name == "postgresql":
                # Several processes start at the same time, and only one is to do it.
                session.execute(select(func.pg_advisory_xact_lock(_CREATION)))
            Base.metadata.create_all(session.connection())
            if session.scalar(select(func.count()).select_from(User)):
                return
            users = [
                {"name": f"user-{n}", "password": f"password-{n}", "token": f"token-{n}", "role": ROLES[n % len(ROLES)]}
                for n in range(1, 61)
            ]
            session.execute(insert(User), users)
            entries = [
                {"user_id": user_id, "amount": FIRST_CREDITS, "reason": "welcome"}
                for user_id in session.scalars(select(User.id))
            ]
            session.execute(insert(CreditEntry), entries)

    def session(self) -> Iterator[Session]:
        """A FastAPI dependency: a sync session, committed at the end."""
        with self.sessions.begin() as session:
            yield session

    async def close(self) -> None:
        """Close both engines."""
        self.engine.dispose()
        await self.async_engine.dispose()


def _let_writers_wait(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()
