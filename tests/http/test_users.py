"""Whoever the user is and whatever becomes of the object: the role is the one that the request was handled with."""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from http import HTTPStatus
from typing import Annotated, NamedTuple

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import Engine, ForeignKey, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import StaticPool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse

from tests.asgi import get
from tests.internals import faults
from tests.scrape import scrape
from wxiai_otel import setup_telemetry


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str]


@dataclass(slots=True)
class Slotted:
    id: int
    role: str


class Property:
    id = 1

    @property
    def role(self):
        return "vip"


class Broken:
    id = 1

    @property
    def role(self):
        raise RuntimeError


@pytest.fixture
def engine() -> Engine:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User(id=1, role="vip"))
        session.commit()
    return engine


def roles(telemetry) -> dict[tuple[str, ...], float]:
    return scrape(telemetry).series("http_requests_total", "endpoint", "status_code", "user_role")


class TestObjectsOfSQLAlchemy:
    async def test_expired_by_a_commit_are_not_read_again(self, app, engine):
        telemetry = setup_telemetry(app)

        def session():
            with Session(engine) as opened:
                yield opened

        def authenticate(request: Request, session: Annotated[Session, Depends(session)]):
            request.state.user = session.get(User, 1)

        @app.get("/x", dependencies=[Depends(authenticate)])
        def commits(session: Annotated[Session, Depends(session)]):
            session.commit()

        await get(app, "/x")

        assert roles(telemetry) == {("/x", "200", "vip"): 1}
        assert scrape(telemetry).value("db_query_duration_seconds_count", operation="SELECT") == 1

    async def test_of_a_session_that_is_closed_keep_their_role(self, app, engine):
        telemetry = setup_telemetry(app)

        @app.get("/x")
        def closes(request: Request):
            with Session(engine) as session:
                request.state.user = session.get(User, 1)
                session.commit()

        await get(app, "/x")

        assert roles(telemetry) == {("/x", "200", "vip"): 1}

    async def test_that_a_middleware_commits_after_the_answer_keep_their_role(self, app, engine):
        with Session(engine) as session:

            class Commit(BaseHTTPMiddleware):
                async def dispatch(self, request, call_next):
                    response = await call_next(request)
                    session.commit()
                    return response

            app.add_middleware(Commit)
            telemetry = setup_telemetry(app)

            @app.get("/x")
            def x(request: Request):
                request.state.user = session.get(User, 1)

            await get(app, "/x")

        assert roles(telemetry) == {("/x", "200", "vip"): 1}
        assert scrape(telemetry).value("db_query_duration_seconds_count", operation="SELECT") == 1


class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    user: Mapped[User] = relationship()
    deferred: Mapped[str] = mapped_column(deferred=True)

    @property
    def role(self):
        return self.user.role


class Deferred(Base):
    __tablename__ = "deferred"
    id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(deferred=True)


LAZY = {
    "expired": lambda session: (session.get(User, 1), session.expire_all())[0],
    "expired in part": lambda session: (user := session.get(User, 1), session.expire(user, ["role"]))[0],
    "property that follows a relationship": lambda session: session.get(Account, 1),
    "deferred column": lambda session: session.get(Deferred, 1),
    "attribute that is made on demand": lambda session: Lazy(lambda: session.get(User, 1)),
    "proxy": lambda session: Proxy(lambda: session.get(User, 1)),
}


class Lazy:
    """A proxy that loads its user when an attribute is read."""

    def __init__(self, load):
        self.load = load

    def __getattr__(self, name):
        return getattr(self.load(), name)


class Loads:
    """A descriptor that queries."""

    def __get__(self, user, owner):
        return user.load().role


class Proxy:  # noqa: PLW1641 - it is assigned
    role = Loads()
    id = Loads()

    def __init__(self, load):
        self.load = load

    def __repr__(self):
        raise AssertionError("it has been shown")

    __str__ = __bool__ = __hash__ = __len__ = __repr__

    def __eq__(self, other):
        raise AssertionError("it has been compared")


class TestUsersThatLoadTheirAttributes:
    @pytest.mark.parametrize("load", LAZY.values(), ids=LAZY)
    async def test_are_not_loaded_by_us(self, app, engine, load):
        telemetry = setup_telemetry(app)
        with Session(engine) as session:
            session.add_all([Account(id=1, user_id=1, deferred=""), Deferred(id=1, role="vip")])
            session.commit()
            session.expunge_all()
            statements = []

            @app.get("/x")
            def x(request: Request):
                request.state.user = load(session)
                statements.clear()

            event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
            before = faults()
            await get(app, "/x")

            assert statements == []
            assert faults() == before
            assert roles(telemetry) == {("/x", "200", "other"): 1}

    async def test_keep_the_values_loaded_when_they_were_set(self, app, engine):
        telemetry = setup_telemetry(app)

        @app.get("/x")
        def x(request: Request):
            with Session(engine) as session:
                request.state.user = user = session.get(User, 1)
                session.expire(user)

        await get(app, "/x")

        assert roles(telemetry) == {("/x", "200", "vip"): 1}


class Named(NamedTuple):
    id: int
    role: str


class Cached:
    id = 1

    @cached_property
    def role(self):
        return "vip"


class Role(Enum):
    VIP = "vip"


class Attributes:
    id, role = 1, Role.VIP


@pytest.mark.parametrize(
    "user", [Slotted(1, "vip"), Property(), {"role": "vip"}, Named(1, "vip"), Cached(), Attributes(), Attributes]
)
async def test_users_of_other_kinds_are_asked_at_the_end(app, user):
    telemetry = setup_telemetry(app)

    @app.get("/x")
    def x(request: Request):
        request.state.user = user

    await get(app, "/x")

    assert roles(telemetry) == {("/x", "200", "vip"): 1}


async def test_a_role_that_changes_is_the_last(app):
    telemetry = setup_telemetry(app)

    class Mutable:
        id, role = 1, "pending"

    @app.get("/x")
    def x(request: Request):
        request.state.user = user = Mutable()
        user.role = "admin"

    await get(app, "/x")

    assert roles(telemetry) == {("/x", "200", "admin"): 1}


@pytest.mark.faulty
async def test_a_user_whose_role_cannot_be_read_is_other(app):
    telemetry = setup_telemetry(app)

    @app.get("/x")
    def x(request: Request):
        request.state.user = Broken()

    await get(app, "/x")

    assert roles(telemetry) == {("/x", "200", "other"): 1}


async def test_a_user_set_before_a_refusal_counts(app):
    telemetry = setup_telemetry(app)

    def authenticate(request: Request):
        request.state.user = Slotted(1, "pending")

    def refuse(user: Annotated[None, Depends(authenticate)]):
        raise HTTPException(HTTPStatus.FORBIDDEN)

    app.get("/x", dependencies=[Depends(refuse)])(lambda: None)
    await get(app, "/x")

    assert roles(telemetry) == {("/x", "403", "pending"): 1}


async def test_a_user_set_in_a_middleware_or_in_a_mounted_application_counts(app):
    class Authenticate(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            request.state.user = Slotted(1, "admin")
            return await call_next(request)

    async def endpoint(scope, receive, send):
        StarletteRequest(scope).state.user = Slotted(1, "vip")
        await PlainTextResponse("")(scope, receive, send)

    telemetry = setup_telemetry(app)
    sub = FastAPI(middleware=[Middleware(Authenticate)])
    sub.get("/x")(lambda: None)
    app.mount("/sub", sub)
    app.mount("/raw", endpoint)
    await get(app, "/sub/x")
    await get(app, "/raw/x")

    assert roles(telemetry) == {("/sub/x", "200", "admin"): 1, ("/raw/{path}", "200", "vip"): 1}


async def test_what_is_in_the_state_reaches_the_application_and_what_it_sets_its_middlewares(app):
    seen = []

    class Reads(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            response = await call_next(request)
            seen.append((request.state.given, request.state.user.role))
            return response

    app.add_middleware(Reads)
    setup_telemetry(app)

    @app.get("/x")
    def x(request: Request):
        request.state.user = Slotted(1, request.state.given)

    await get(app, "/x", state={"given": "vip"})

    assert seen == [("vip", "vip")]


async def test_an_outer_layer_sees_the_state_that_it_created(app):
    seen = []

    async def around(scope, receive, send):
        state = scope["state"] = {"gone": 1}
        await app(scope, receive, send)
        seen.append(state)

    setup_telemetry(app)

    @app.get("/x")
    def x(request: Request):
        request.state.user = {"id": 1}
        del request.state.gone

    await get(around, "/x")

    assert seen == [{"user": {"id": 1}}]


async def test_a_mounted_application_that_is_set_up_shares_the_state_with_what_is_around_it(app):
    outer, seen = FastAPI(), []

    class Reads(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            request.state.before = True
            response = await call_next(request)
            seen.append(request.state.user.role)
            return response

    outer.add_middleware(Reads)
    outer.mount("/in", app)
    setup_telemetry(app)

    @app.get("/x")
    def x(request: Request):
        request.state.user = Slotted(1, "vip")

    await get(outer, "/in/x")

    assert seen == ["vip"]
