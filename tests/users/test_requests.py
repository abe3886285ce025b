"""The users of requests and WebSockets are seen by themselves, and leave in nothing."""

import logging
from types import SimpleNamespace
from typing import Annotated
from uuid import UUID

import pytest
from fastapi import Depends, FastAPI, Request, WebSocket
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

from tests.asgi import get, websocket
from tests.scrape import OPENMETRICS, scrape
from tests.users.internals import BusinessTelemetry, _websocket
from wxiai_otel import record_user_activity, record_user_registration, setup_telemetry
from wxiai_otel.users import Activity


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str]


@pytest.fixture
def engine() -> Engine:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(User(id=number, role="vip") for number in (1, 2))
        session.commit()
    return engine


@pytest.fixture
def site() -> FastAPI:
    app = FastAPI()

    @app.get("/as/{kind}/{value}")
    def as_somebody(kind: str, value: str, request: Request):
        kinds = {"int": int, "str": str, "uuid": UUID}
        request.state.user = SimpleNamespace(id=kinds[kind](value), role="user")

    @app.get("/anonymous")
    def anonymous():
        pass

    @app.websocket("/ws/{user}")
    async def ws(socket: WebSocket, user: str):
        socket.state.user = {"id": user, "role": "user"}
        await socket.accept()
        while await socket.receive_text() != "bye":
            pass
        await socket.close()

    return app


def users(telemetry) -> tuple[float, ...]:
    seen = scrape(telemetry)
    return tuple(seen.value(name) for name in ("active_users_current", "daily_active_users", "monthly_active_users"))


def text(*words: str) -> list[dict[str, str]]:
    return [{"type": "websocket.receive", "text": word} for word in words]


async def test_users_of_requests_are_counted_once_and_anonymous_ones_not(site):
    telemetry = setup_telemetry(site)
    uuid = "4f7c1d52-8a7e-4f50-9c7e-0d5c6a1f2b3c"
    for path in ("/as/int/7", "/as/str/7", "/as/int/8", "/as/str/alice", f"/as/uuid/{uuid}", f"/as/str/{uuid}"):
        for _ in range(3):
            assert (await get(site, path)).status == 200
    await get(site, "/anonymous")
    await get(site, "/nowhere")
    assert users(telemetry) == (4, 4, 4)


async def test_users_of_websockets_are_counted(site):
    telemetry = setup_telemetry(site)
    for user in ("a", "b", "a"):
        await websocket(site, f"/ws/{user}", text("hello", "bye"))
    assert users(telemetry) == (2, 2, 2)


async def test_the_user_of_a_websocket_that_stays_open_is_active_as_often_as_something_comes(site, monkeypatch):
    seen = []
    monkeypatch.setattr(Activity, "saw", lambda _, user: seen.append(user))
    setup_telemetry(site)
    await websocket(site, "/ws/a", text("one", "two", "bye"))
    assert seen == ["a", "a"], "at its acceptance and at its end"
    monkeypatch.setattr(_websocket, "_USER_SECONDS", -1)
    seen.clear()
    await websocket(site, "/ws/a", text("one", "two", "bye"))
    assert seen == ["a"] * 5


async def test_a_user_that_a_commit_has_expired_is_counted_without_a_query_of_ours(site, engine):
    telemetry = setup_telemetry(site)

    def session():
        with Session(engine) as opened:
            yield opened

    opened = Annotated[Session, Depends(session)]

    @site.get("/commits/{number}")
    def commits(number: int, request: Request, session: opened):
        request.state.user = session.get(User, number)
        session.commit()

    @site.websocket("/commits/{number}/ws")
    async def commits_too(socket: WebSocket, number: int, session: opened):
        socket.state.user = session.get(User, number)
        session.commit()
        await socket.accept()
        await socket.close()

    await get(site, "/commits/1")
    await websocket(site, "/commits/2/ws", [])

    assert users(telemetry) == (2, 2, 2)
    assert scrape(telemetry).value("db_query_duration_seconds_count", operation="SELECT") == 2


async def test_users_are_not_counted_where_the_setting_says_so(site):
    telemetry = setup_telemetry(site, users=False)
    await get(site, "/as/int/7")
    record_user_activity(8)
    record_user_registration()
    seen = scrape(telemetry)
    assert not seen.has("daily_active_users")
    assert seen.value("user_registrations_total") == 1


async def test_an_id_is_in_no_label_no_span_and_no_log_record(site, spans, caplog):
    caplog.set_level(logging.DEBUG)
    telemetry = setup_telemetry(site, abuse_requests=2)

    @site.get("/x")
    def x(request: Request):
        request.state.user = SimpleNamespace(id="alice@example.org", role="user")
        record_user_activity("alice@example.org")

    for _ in range(3):
        await get(site, "/x")
    assert scrape(telemetry).value("security_events_total", event_type="api_abuse") == 1
    body, _ = telemetry.render_metrics(OPENMETRICS)
    told = [body.decode(), *(str(vars(record)) for record in caplog.records)]
    told += [span.to_json() for span in spans.get_finished_spans()]
    assert len(spans.get_finished_spans()) == 3
    assert not any("alice" in text for text in told)


@pytest.mark.parametrize("at", [float("nan"), "now"])
def test_a_time_that_is_none_is_refused(site, at):
    setup_telemetry(site)
    with pytest.raises(ValueError, match="record_user_activity"):
        record_user_activity(1, at=at)


def test_where_helpers_are_not_strict_a_time_that_is_none_is_counted_as_refused(site):
    telemetry = setup_telemetry(site, strict=False)
    record_user_activity(1, at=float("nan"))
    assert users(telemetry)[1] == 0
    assert scrape(telemetry).value("wxiai_otel_inputs_refused_total", helper="record_user_activity") >= 1


@pytest.mark.faulty
@pytest.mark.parametrize(
    ("owner", "name"), [(Activity, "saw"), (Activity, "_mark"), (BusinessTelemetry, "user"), (Activity, "_exchange")]
)
async def test_a_fault_in_counting_users_changes_no_answer(site, owner, name, monkeypatch):
    def broken(*args):
        raise RuntimeError

    telemetry = setup_telemetry(site)
    monkeypatch.setattr(owner, name, broken)
    assert (await get(site, "/as/int/7")).status == 200
    socket = await websocket(site, "/ws/a", text("bye"))
    assert [message["type"] for message in socket.messages] == ["websocket.accept", "websocket.close"]
    record_user_activity(1)
    assert scrape(telemetry).value("http_requests_total") == 1
