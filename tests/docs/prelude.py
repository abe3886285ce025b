"""What the Python blocks of the documentation take for granted, and what must be true when a page has been executed.

A page's blocks are executed one after the other in one namespace, which begins with the names of this module. Nothing
but loopback can be reached.
"""

import sys
from types import SimpleNamespace

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _refuse(event: str, arguments: tuple) -> None:
    host = None
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    if host is not None and host not in _LOOPBACK:
        raise OSError(f"{host}: the documentation asks nobody")


sys.addaudithook(_refuse)


class _Flux:
    """A client of an AI service."""

    async def draw(self, prompt: str) -> str:
        return f"picture of {prompt}"


class _Ledger:
    """Keeps the credits."""

    def consume(self, _user_id: int, amount: float) -> SimpleNamespace:
        return SimpleNamespace(credit=100 - amount)


flux = _Flux()
ledger = _Ledger()
user = SimpleNamespace(id=7, role="vip")
email = "somebody@example.com"


def find_user(_request):
    """The user of a request."""
    return user


def metric(name: str, **labels: str) -> float:
    """What the endpoint shows: the sum of the series that have these labels."""
    from prometheus_client.parser import text_string_to_metric_families

    from wxiai_otel import setup_telemetry

    telemetry = setup_telemetry()
    telemetry.force_flush()
    text = telemetry.render_metrics()[0].decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


# By page: executed last, in the same namespace.
AFTERWARDS = {
    "README.md": """
assert await draw("a cat") is None
consume(7, amount=10)
assert metric("ai_tasks_total", service="flux", status="success") == 1
assert metric("credits_consumed_total") == 10
""",
    "docs/getting-started.md": """
from starlette.testclient import TestClient
client = TestClient(app)
assert client.get("/orders/7").json() == {"id": 7}
shown = 'http_requests_total{endpoint="/orders/{order_id}",method="GET",status_code="200",user_role="anonymous"} 1.0'
assert shown in client.get("/monitoring/metrics").text.splitlines()
assert shown in page
""",
    "docs/instrumenting.md": """
assert await draw("a cat", fast=True) == "picture of a cat"
assert metric("ai_task_duration_seconds_count", service="flux", mode="fast") == 1
row = SimpleNamespace()
await submit(row)
await callback(row, TimeoutError())
await callback(row)
assert metric("ai_service_failures_total", service="kling", error_type="TimeoutError") == 1
assert metric("ai_tasks_total", service="kling", status="success") == 0
assert consume(7, amount=10).credit == 90
assert metric("credits_consumed_total", service="flux") == 10
assert metric("user_credits_balance_sum") == 90
assert metric("credits_purchased_total") == 500
assert metric("user_registrations_total") == 1
assert metric("login_failures_total", reason="password") == 1
assert metric("payment_failures_total", channel="alipay", error_type="timeout") == 1
assert metric("file_upload_failures_total", error_type="ValueError") == 1
assert metric("security_events_total", event_type="suspicious_access", severity="warning") == 1
assert metric("application_errors_total", component="importer") == 1
request = SimpleNamespace(state=SimpleNamespace())
await authenticated(request)
assert request.state.user is user
""",
    "docs/endpoints.md": """
from starlette.testclient import TestClient
with TestClient(app) as client:
    assert client.get("/monitoring/metrics").status_code == 401
    assert client.get("/monitoring/health?live").status_code == 200
    assert "disk" in client.get("/monitoring/health").text
""",
    "docs/coexistence.md": """
from starlette.testclient import TestClient
assert 'orders_total{kind="book"} 1.0' in TestClient(app).get("/monitoring/metrics").text.splitlines()
""",
    "docs/migration.md": """
assert await draw("a cat") == "picture of a cat"
assert metric("ai_tasks_total", service="flux", status="success") == 1
""",
    "docs/notifications.md": """
assert [told[channel].delivered for channel in ("dingtalk", "email")] == [False, False]
assert told["email"].reason
""",
}
AFTERWARDS["README.zh-CN.md"] = AFTERWARDS["README.md"]
# Of the pages that say before `setup_telemetry` what is to be counted: it is called first here, as an application does.
SET_UP_FIRST = {"docs/instrumenting.md", "docs/migration.md"}
