"""Abuse as it is seen in an application: its requests, its login route, its own calls."""

from types import SimpleNamespace

import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from tests.asgi import get, request
from tests.scrape import scrape
from wxiai_otel import record_login_failure, record_security_event, setup_telemetry
from wxiai_otel._business import BusinessTelemetry
from wxiai_otel.detection import Clients, Detector


@pytest.fixture
def site(app) -> FastAPI:
    """An application with routes to log in by, and users by a header."""

    @app.post("/login")
    def login(answer: int = 401):
        raise HTTPException(answer)

    @app.post("/auth/login")
    async def tells():
        record_login_failure("password", account="alice")
        raise HTTPException(401)

    @app.post("/api/login")
    def tells_later(tasks: BackgroundTasks):
        tasks.add_task(record_login_failure, "password", account="alice")
        return JSONResponse({}, 401, background=tasks)

    @app.get("/x")
    def x(request: Request):
        if user := request.headers.get("user"):
            request.state.user = SimpleNamespace(id=user, role="user")

    return app


def events(telemetry) -> dict[tuple[str, ...], float]:
    found = scrape(telemetry).series("security_events_total", "event_type", "severity")
    return {key: count for key, count in found.items() if count}


async def test_a_login_that_a_route_refuses_is_counted_once(site):
    telemetry = setup_telemetry(site)
    for answer in (401, 400, 403, 422, 500):
        await request(site, "POST", f"/login?answer={answer}")
    assert scrape(telemetry).series("login_failures_total", "reason") == {("rejected",): 3}
    assert events(telemetry) == {("login_failure", "info"): 3}


@pytest.mark.parametrize("path", ["/auth/login", "/api/login"])
async def test_a_login_that_the_application_records_is_not_counted_a_second_time(site, path):
    telemetry = setup_telemetry(site)
    await request(site, "POST", path)
    assert scrape(telemetry).value("login_failures_total") == 1
    assert events(telemetry) == {("login_failure", "info"): 1}


async def test_an_application_may_record_several_in_one_request(site):
    telemetry = setup_telemetry(site)

    @site.post("/token")
    def many():
        for _ in range(3):
            record_login_failure("password")
        raise HTTPException(401)

    await request(site, "POST", "/token")
    assert scrape(telemetry).value("login_failures_total", reason="password") == 3
    assert scrape(telemetry).value("login_failures_total") == 3


@pytest.mark.parametrize("path", ["/login", "/auth/login", "/api/login"])
async def test_a_burst_against_a_login_route_is_one_event_for_its_address(site, path):
    telemetry = setup_telemetry(site, trusted_proxies=["127.0.0.1"])
    for number in range(25):
        await request(site, "POST", path, headers=[(b"x-forwarded-for", b"6.6.6.6, 203.0.113.9")])
        await request(site, "POST", "/login", headers=[(b"x-forwarded-for", f"198.51.100.{number}".encode())])
    bursts = 1 if path == "/login" else 2  # by address, and by account
    assert events(telemetry) == {("login_failure", "info"): 50, ("login_failure_burst", "warning"): bursts}


async def test_a_burst_against_one_account_from_everywhere_is_one_event(site):
    telemetry = setup_telemetry(site)
    for number in range(25):
        await request(site, "POST", "/auth/login", client=(f"198.51.100.{number}", 1))
    assert events(telemetry) == {("login_failure", "info"): 25, ("login_failure_burst", "warning"): 1}


async def test_a_login_route_is_a_setting(site):
    telemetry = setup_telemetry(site, login_routes=["/x/{user}"])
    site.post("/x/{user}")(lambda user: JSONResponse({}, 401))
    await request(site, "POST", "/x/7")
    await request(site, "POST", "/login")
    assert scrape(telemetry).value("login_failures_total") == 1


async def test_abuse_is_on_the_span_and_in_the_log_of_the_request_that_reached_the_threshold(site, spans, caplog):
    telemetry = setup_telemetry(site, abuse_requests=3, suspicious_refusals=2)
    for _ in range(5):
        await get(site, "/x")
        await get(site, "/nowhere", client=("203.0.113.9", 1))
    assert events(telemetry) == {("api_abuse", "critical"): 2, ("suspicious_access", "warning"): 1}
    names = [event.name for span in spans.get_finished_spans() for event in span.events]
    assert sorted(names) == ["api_abuse", "api_abuse", "suspicious_access"]
    record = next(record for record in caplog.records if record.message == "suspicious_access")
    assert record.attributes == {"client.address": "203.0.113.9", "refusals": 2, "routes": 0, "severity": "warning"}


async def test_users_behind_one_address_are_clients_of_their_own(site):
    telemetry = setup_telemetry(site, abuse_requests=10)
    for number in range(50):
        await get(site, "/x", headers=[(b"user", f"{number % 10}".encode())])
    assert events(telemetry) == {}


async def test_our_own_endpoints_are_no_abuse(site):
    telemetry = setup_telemetry(site, abuse_requests=5)
    for path in ("health", "metrics"):
        for _ in range(10):
            await get(site, f"/monitoring/{path}")
    assert events(telemetry) == {}


async def test_nothing_is_looked_for_where_the_setting_says_so_and_what_is_recorded_is_counted(site):
    telemetry = setup_telemetry(site, detection=False, abuse_requests=2)
    for _ in range(20):
        await request(site, "POST", "/login")
        await request(site, "POST", "/auth/login")
    record_security_event("api_abuse", "critical", by="hand")
    assert events(telemetry) == {("login_failure", "info"): 20, ("api_abuse", "critical"): 1}


@pytest.mark.faulty
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Detector, "request"),
        (Detector, "is_failed_login"),
        (Detector, "login_failed"),
        (Detector, "_place"),
        (Clients, "address"),
        (BusinessTelemetry, "request"),
        (BusinessTelemetry, "address"),
    ],
)
async def test_a_fault_in_detection_changes_no_answer(site, owner, name, monkeypatch):
    def broken(*args):
        raise RuntimeError

    setup_telemetry(site)
    monkeypatch.setattr(owner, name, broken)
    answers = [await request(site, "POST", path) for path in ("/login", "/auth/login", "/api/login")]
    assert [answer.status for answer in answers] == [401, 401, 401]
    assert (await get(site, "/x")).status == 200


async def test_how_many_clients_are_remembered_is_told(site):
    telemetry = setup_telemetry(site)
    for number in range(3):
        await get(site, "/x", headers=[(b"user", str(number).encode())])
    await request(site, "POST", "/login")

    seen = scrape(telemetry)
    assert seen.value("wxiai_otel_detection_clients", kind="requests") == 4
    assert seen.value("wxiai_otel_detection_clients", kind="logins") == 1
    assert seen.value("wxiai_otel_detection_forgotten_total", kind="requests") == 0


async def test_clients_that_are_forgotten_within_their_window_are_told_and_those_of_long_ago_are_not(site, clock):
    telemetry = setup_telemetry(site, detection_clients=10, detection_window=60)
    for number in range(25):
        await get(site, "/x", headers=[(b"user", str(number).encode())])
    assert scrape(telemetry).value("wxiai_otel_detection_forgotten_total", kind="requests") == 10
    clock.now += 61
    for number in range(25, 35):
        await get(site, "/x", headers=[(b"user", str(number).encode())])

    assert scrape(telemetry).value("wxiai_otel_detection_forgotten_total", kind="requests") == 10
    assert scrape(telemetry).value("wxiai_otel_detection_forgotten_total", kind="logins") == 0
