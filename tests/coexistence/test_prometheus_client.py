"""The application's own prometheus_client metrics are at our endpoint too, each name once."""

import logging

import prometheus_client
import pytest
from fastapi import FastAPI
from prometheus_client import Counter, Enum, Gauge, Histogram, Info, Metric, Summary
from prometheus_client.process_collector import ProcessCollector
from starlette.testclient import TestClient

from tests.scrape import OPENMETRICS, parse, scrape
from wxiai_otel import setup_telemetry


@pytest.fixture(autouse=True)
def registry():
    """The default registry, which is as it was when the test has ended."""
    found = prometheus_client.REGISTRY
    before = set(found._collector_to_names)
    yield found
    for collector in set(found._collector_to_names) - before:
        found.unregister(collector)


class Collects:
    """A collector of the application's own."""

    def __init__(self, *families: Metric | Exception) -> None:
        self.families = families

    def describe(self):
        return []

    def collect(self):
        for family in self.families:
            if isinstance(family, Exception):
                raise family
            yield family


def family(name: str, kind: str, *samples: tuple) -> Metric:
    metric = Metric(name, "of the application", kind)
    for sample in samples:
        metric.add_sample(*sample)
    return metric


def test_all_kinds_are_shown_as_they_are(live):
    Counter("own_jobs", "Jobs.", ["queue"]).labels("mail").inc(3, exemplar={"job": "7"})
    Gauge("own_depth", "Depth.").set(4)
    Histogram("own_seconds", "Seconds.", buckets=[1, 2]).observe(1.5)
    Summary("own_size", "Size.").observe(10)
    Info("own_build", "Build.").info({"commit": "abc"})
    Enum("own_state", "State.", states=["up", "down"]).state("down")

    seen = scrape(live)

    assert seen.value("own_jobs_total", queue="mail") == 3
    assert [sample.exemplar.labels for sample in seen.samples if sample.name == "own_jobs_total"] == [{"job": "7"}]
    assert seen.value("own_depth") == 4
    assert seen.series("own_seconds_bucket", "le") == {("1.0",): 0, ("2.0",): 1, ("+Inf",): 1}
    assert (seen.value("own_size_count"), seen.value("own_size_sum")) == (1, 10)
    assert seen.value("own_build_info", commit="abc") == 1
    assert seen.value("own_state", own_state="down") == 1


def test_they_are_at_the_endpoint_in_prometheus_text_too():
    app = FastAPI()
    setup_telemetry(app)
    Counter("own_jobs", "Jobs.").inc(3)
    Gauge("orders_created", "Not the time of a creation.").set(5)

    seen = parse(TestClient(app).get("/monitoring/metrics").text)

    assert seen.value("own_jobs_total") == 3
    assert not seen.has("own_jobs_created")
    assert seen.value("orders_created") == 5


def test_what_the_import_has_registered_is_not_shown(live):
    shown = {sample.name for sample in scrape(live).samples}
    assert not [name for name in shown if name.startswith(("process_", "python_"))]


def test_the_applications_own_of_these_collectors_is(live):
    ProcessCollector(namespace="shop")
    assert scrape(live).value("shop_process_resident_memory_bytes") > 0


def test_a_name_of_the_contract_is_ours_alone_and_the_application_is_told_once(caplog):
    app = FastAPI()
    app.get("/x")(lambda: 1)
    telemetry = setup_telemetry(app)
    theirs = Counter("http_requests", "Counted by a middleware.", ["handler"])
    Summary("http_request_duration_seconds", "Likewise.").observe(1)
    theirs.labels("/x").inc(100)
    TestClient(app).get("/x")

    with caplog.at_level(logging.WARNING, "wxiai_otel"):
        seen = [scrape(telemetry) for _ in range(2)][-1]

    assert seen.series("http_requests_total", "endpoint") == {("/x",): 1}
    assert seen.value("http_request_duration_seconds_count", endpoint="/x") == 1
    warned = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(warned) == len(set(warned)) <= 2  # once in a process, and other tests may have been first
    assert theirs.labels("/x")._value.get() == 100


def test_the_setting_leaves_them_out():
    telemetry = setup_telemetry(FastAPI(), prometheus_client=False)
    Counter("own_jobs", "Jobs.").inc()
    assert not scrape(telemetry).has("own_jobs_total")


def test_families_that_a_collector_keeps_are_not_altered(live, registry):
    kept = family("own_kept", "counter", ("own_kept_total", {}, 1), ("own_kept_created", {}, 1.0))
    registry.register(Collects(kept))
    live.render_metrics()
    assert [sample.name for sample in kept.samples] == ["own_kept_total", "own_kept_created"]


@pytest.mark.faulty
@pytest.mark.parametrize("accept", [None, OPENMETRICS])
@pytest.mark.parametrize(
    "broken",
    [
        RuntimeError("the database is away"),
        family("own_broken", "gauge", ("own_broken", {"a": None}, 1)),
        family("own_broken", "gauge", ("own_broken", {}, "much")),
    ],
    ids=["raises", "has a label of no text", "has a value of no number"],
)
def test_a_collector_that_is_broken_takes_nothing_with_it(live, registry, broken, accept):
    registry.register(Collects(broken))
    Counter("own_jobs", "Jobs.").inc()

    body = live.render_metrics(accept)[0].decode()

    assert "system_info{" in body
    assert "own_jobs_total 1.0" in body
    assert "own_broken" not in body
