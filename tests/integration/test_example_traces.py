"""One slow request of the example: its trace in Jaeger, the exemplar that leads to it, and nothing secret in either."""

import json
import time
import urllib.parse
import uuid

import httpx
import pytest

from tests.servers.pipeline import settled
from tests.servers.redis import run_redis
from tests.servers.uvicorn import uvicorn
from tests.until import until

# The first one starts what others share, which may take long beside them.
pytestmark = [pytest.mark.built, pytest.mark.timeout(300)]

# Too long to be a part of an id or a time by chance.
AMOUNT = 48_151_623
SECRETS = ("token-7", "token-9", "li.lei@example.com", "hunter2", "a lake at dawn")


@pytest.fixture(scope="module", params=["collector", "process"])
def decides(request):
    """Who decides which traces are kept."""
    return request.param


@pytest.fixture(scope="module")
def watching(request, decides):
    return request.getfixturevalue("pipeline" if decides == "collector" else "other_pipeline")


@pytest.fixture(scope="module")
def job():
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def served(watching, decides, job, tmp_path_factory):
    """The example, whose Redis can be made to wait."""
    database = tmp_path_factory.mktemp("example") / "wxiai.db"
    with run_redis() as redis, uvicorn("examples.wxiai.provider:app") as provider:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": watching.url("otlp_http"),
            "OTEL_SERVICE_NAME": job,
            "WXIAI_OTEL_TAIL_SAMPLING": decides,
            "WXIAI_OTEL_TRACE_SHARE": "0.5",
            # An exemplar is in one export only, and must be there when Prometheus scrapes.
            "OTEL_METRIC_EXPORT_INTERVAL": "4000",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "WXIAI_DATABASE_URL": f"sqlite:///{database}",
            "WXIAI_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
            "WXIAI_PROVIDER_URL": provider.url,
        }
        with uvicorn("examples.wxiai.app:app", env=environ) as server:
            yield server, redis


def search(pipeline, job, **more):
    asked = urllib.parse.urlencode({"service": job, "limit": 500, "lookback": "1h", **more})
    return json.loads(pipeline.get("jaeger", f"/api/traces?{asked}"))["data"]


def test_a_slow_request_is_found_with_all_it_did_and_by_its_exemplar(watching, job, served):
    server, redis = served
    # A user of this test alone, who is looked up in the database.
    headers = {"authorization": "Bearer token-9"}
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        # What is done once only does not use up the pause.
        assert client.get("/api/v1/tasks", headers={"authorization": "Bearer token-8"}).status_code == 200
        assert redis.ask("CLIENT", "PAUSE", "1400", "ALL").startswith("+OK")
        answered = client.post("/api/v1/images/flux/preview", headers=headers, json={"prompt": SECRETS[-1]})
    assert answered.status_code in (200, 502)  # the provider refuses now and then

    operation = "POST /api/v1/images/{service}/preview"
    (trace,) = until(lambda: search(watching, job, operation=operation, minDuration="1s"))
    spans = {span["spanID"]: span for span in watching.whole_trace(trace["traceID"])}
    parents = {span["operationName"]: span["references"] for span in spans.values()}
    (root,) = [span for span in spans.values() if not span["references"]]
    assert root["operationName"] == operation
    assert "ai_task flux" in parents
    systems = {tag["value"] for span in spans.values() for tag in span["tags"] if tag["key"] == "db.system.name"}
    assert systems == {"redis", "sqlite"}
    assert all(reference["spanID"] in spans for references in parents.values() for reference in references)

    asked = urllib.parse.urlencode(
        {
            "query": f'http_request_duration_seconds_bucket{{job="{job}",endpoint=~".+/preview"}}',
            "start": time.time() - 600,
            "end": time.time() + 60,
        }
    )

    def slow_exemplars():
        data = json.loads(watching.get("prometheus", f"/api/v1/query_exemplars?{asked}"))["data"]
        return {one["labels"]["trace_id"] for series in data for one in series["exemplars"] if float(one["value"]) > 1}

    until(slow_exemplars, equals={trace["traceID"]})


def test_no_secret_of_a_request_is_in_any_span(watching, job, served):
    server, _redis = served
    headers = {"authorization": "Bearer token-7", "cookie": "session=hunter2", "user-agent": "hunter2"}
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30, headers=headers) as client:
        for _ in range(25):
            client.post("/api/v1/credits/purchase", json={"amount": 500})
            client.post("/api/v1/images/flux", json={"prompt": "a lake at dawn, by li.lei@example.com"})
            client.get("/api/v1/tasks", params={"limit": AMOUNT, "mail": "li.lei@example.com", "password": "hunter2"})
        client.get("/api/v1/broken")

    # Of the other requests some are kept, but the one that fails always is.
    expected = ("INSERT INTO", "HGETALL", "GET /api/v1/broken")
    body = settled(
        lambda: json.dumps(search(watching, job), ensure_ascii=False),
        lambda body: all(one in body for one in expected),
    )
    assert [secret for secret in (*SECRETS, str(AMOUNT)) if secret in body] == []
