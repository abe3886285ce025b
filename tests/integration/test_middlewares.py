"""Hundreds of routes under middlewares, with many clients at once: each request is counted exactly."""

import asyncio
import random
from collections import Counter

import httpx
import pytest

from tests.servers.uvicorn import Server, uvicorn

# As in target.py, which is not imported here: it sets telemetry up.
AREAS = 29
ROUTES_OF_AN_AREA = 20

LABELS = ("method", "endpoint", "status_code", "user_role")
CLIENTS = 40
REQUESTS = 1000
LEAVING = 40

Labels = tuple[str, ...]


def requests(randomly: random.Random) -> list[tuple[str, str, dict[str, str], Labels]]:
    """Method, path, headers, and by which labels each is to be counted."""
    return [randomly.choice(KINDS)(randomly) for _ in range(REQUESTS)]


def role(randomly: random.Random) -> tuple[dict[str, str], str, str | None]:
    """A user's header, its label, and the status that the dependency answers for it."""
    return randomly.choice(
        (
            ({"x-role": "admin"}, "admin", None),
            ({"x-role": "vip"}, "vip", None),
            ({"x-role": "root"}, "other", None),
            ({"x-role": "pending"}, "pending", "403"),
            ({}, "anonymous", "401"),
        )
    )


def of_an_area(randomly):
    headers, user, refused = role(randomly)
    where = f"/api/v1/area{randomly.randrange(AREAS)}"
    route = f"r{randomly.randrange(ROUTES_OF_AN_AREA // 2)}"
    if randomly.random() < 0.5:
        return "GET", f"{where}/{route}", headers, ("GET", f"{where}/{route}", refused or "200", user)
    path = f"{where}/{randomly.randrange(1000)}/{route}"
    return "POST", path, headers, ("POST", f"{where}/{{item}}/{route}", refused or "200", user)


def of_a_mount(randomly):
    headers, user, refused = role(randomly)
    prefix, template = randomly.choice((("/ollama", "/ollama"), ("/tenants/t7", "/tenants/{tenant}")))
    name, status = randomly.choice((("flux", "200"), ("broken", "500")))
    labels = ("GET", f"{template}/models/{{name}}", refused or status, user)
    return "GET", f"{prefix}/models/{name}", headers, labels


def stream(randomly):
    headers, user, refused = role(randomly)
    return "GET", "/api/chat/3", headers, ("GET", "/api/chat/{chat_id}", refused or "200", user)


def preflight(randomly):
    headers = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    return "OPTIONS", "/api/v1/area1/r1", headers, ("OPTIONS", "unmatched", "200", "anonymous")


def other(randomly):
    method, path, endpoint, status = randomly.choice(
        (
            ("GET", "/nothing", "unmatched", "404"),
            ("GET", "/ollama/nothing", "/ollama/{path}", "404"),
            ("DELETE", "/api/v1/area1/r1", "/api/v1/area1/r1", "405"),
            ("HEAD", "/api/v1/area2/r1", "/api/v1/area2/r1", "405"),
            ("PURGE", "/nothing", "unmatched", "404"),
            ("GET", "/static/target.py", "/static/{path}", "200"),
            ("GET", "/static/none", "/static/{path}", "404"),
            ("GET", "/api/v1/area1/r1?" + "x" * 1001, "unmatched", "500"),
            ("GET", "/ollama", "unmatched", "307"),
            ("GET", "/docs", "/docs", "200"),
        )
    )
    return method, path, {}, ("other" if method == "PURGE" else method, endpoint, status, "anonymous")


KINDS = (of_an_area, of_an_area, of_a_mount, stream, preflight, other)


async def send_all(server: Server, plan) -> list[str]:
    """Send them with many clients at once; the statuses that they got."""
    queue = list(enumerate(plan))
    statuses = [""] * len(plan)

    async def client() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=60, verify=False) as http:
            while queue:
                index, (method, path, headers, labels) = queue.pop()
                if labels[2] == "500":  # after which uvicorn closes the connection, sooner or later
                    headers = {**headers, "connection": "close"}
                statuses[index] = str((await http.request(method, path, headers=headers)).status_code)

    await asyncio.gather(*(client() for _ in range(CLIENTS)), leave(server))
    # The connections that they have closed are gone with the loop's next turn.
    await asyncio.sleep(0.01)
    return statuses


async def leave(server: Server) -> None:
    """Clients that go: before the response, while the application sleeps, and in a stream."""

    async def one(path: str, until: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Role: user\r\n\r\n".encode())
        await writer.drain()
        if until:
            await reader.readuntil(until)
        else:
            await asyncio.sleep(0.1)
        writer.close()

    for _ in range(LEAVING // 10):
        await asyncio.gather(
            *(one("/api/slow", b"") for _ in range(10)), *(one("/api/chat/100000", b"data: 2") for _ in range(10))
        )


@pytest.fixture(scope="module")
def measured():
    plan = requests(random.Random(5))
    with uvicorn("tests.integration.target:app") as server:
        statuses = asyncio.run(send_all(server, plan))
        expected = Counter(labels for *_, labels in plan)
        total = len(plan) + 2 * LEAVING
        server.until("http_requests_total", total, timeout=20)
        yield plan, statuses, expected, server.until("http_concurrent_connections", 0)


def test_the_clients_got_what_the_plan_says(measured):
    plan, statuses, _, _ = measured

    assert [(*item[:2], status) for item, status in zip(plan, statuses, strict=True) if status != item[3][2]] == []


def test_each_request_is_counted_by_method_template_status_and_role(measured):
    _, _, expected, seen = measured
    left = {("GET", "/api/slow", "499", "user"): LEAVING, ("GET", "/api/chat/{chat_id}", "200", "user"): LEAVING}

    assert seen.series("http_requests_total", *LABELS) == expected + Counter(left)


def test_streams_are_counted_by_their_outcome(measured):
    _, _, expected, seen = measured
    completed = sum(
        count for labels, count in expected.items() if labels[1] == "/api/chat/{chat_id}" and labels[2] == "200"
    )

    assert seen.series("http_stream_duration_seconds_count", "endpoint", "outcome") == {
        ("/api/chat/{chat_id}", "completed"): completed,
        ("/api/chat/{chat_id}", "client_disconnect"): LEAVING,
    }


def test_errors_are_those_that_the_application_raised(measured):
    _, _, expected, seen = measured

    def raised(endpoint):
        return sum(count for labels, count in expected.items() if labels[1].endswith(endpoint) and labels[2] == "500")

    assert seen.series("application_errors_total", "error_type") == {
        ("RuntimeError",): raised("/models/{name}"),
        ("ValueError",): raised("unmatched"),
    }


def test_none_is_left_in_flight_and_nothing_of_ours_failed(measured):
    *_, seen = measured

    assert seen.value("http_concurrent_connections") == 0
    assert not seen.has("wxiai_otel_faults_total")
