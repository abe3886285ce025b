"""The embedded endpoint: the contract by name, in both formats, whatever is recorded."""

import threading
import time

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.asgi import get
from tests.prometheus.internals import _collector
from tests.scrape import OPENMETRICS, Scrape, parse, scrape
from wxiai_otel import setup_telemetry
from wxiai_otel.catalogue import INSTRUMENTS, Kind


@pytest.fixture
def shop(app: FastAPI) -> FastAPI:
    """The application, with a route."""

    @app.get("/things/{n}")
    async def things(n: int):
        return n

    return app


def recorder(telemetry, name):
    return telemetry._runtime.instruments[name]


def text(telemetry, accept=None) -> str:
    return telemetry.render_metrics(accept)[0].decode()


async def test_both_formats_say_the_same(shop, live):
    for n in range(5):
        await get(shop, f"/things/{n}")
    in_text = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(text(live))
        for sample in family.samples
    }
    in_openmetrics = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_openmetrics(text(live, OPENMETRICS))
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert in_text == in_openmetrics
    assert sum(value for (name, _), value in in_text.items() if name == "http_requests_total") == 5


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/plain"),
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("text/html", "text/plain"),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0",
        ),
        ("garbage;;;q=x,,", "text/plain"),
    ],
)
def test_the_format_is_negotiated(live, accept, content_type):
    assert live.render_metrics(accept)[1].startswith(content_type)


async def test_a_scrape_of_a_real_prometheus_version_is_answered_in_openmetrics(app, live):
    accept = (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
        "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
        "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
    )
    answer = await get(app, "/monitoring/metrics", headers=[(b"accept", accept.encode())])
    assert answer.status == 200
    assert list(parse_openmetrics(answer.body.decode()))


def test_every_instrument_of_the_catalogue_appears_by_the_contracts_name_type_and_labels(live):
    for instrument in INSTRUMENTS:
        if instrument.kind in (Kind.COUNTER, Kind.HISTOGRAM):
            recorder(live, instrument.name).record(1, tuple(f"v{n}" for n, _ in enumerate(instrument.attributes)))
    families = {family.name: family for family in parse_openmetrics(text(live, OPENMETRICS))}
    for instrument in INSTRUMENTS:
        if instrument.kind not in (Kind.COUNTER, Kind.HISTOGRAM):
            continue
        for metric in instrument.metrics:
            if metric.unless:
                continue
            family = families[metric.name.removesuffix("_total")]
            assert family.type == metric.type
            assert family.documentation == instrument.description
            (series,) = {tuple(sorted(set(sample.labels) - {"le"})) for sample in family.samples}
            assert series == tuple(sorted(metric.labels))


async def test_labels_that_are_missing_have_a_fixed_word(app, live):
    await get(app, "/nowhere")
    seen = scrape(live).series("http_requests_total", "method", "endpoint", "status_code", "user_role")
    assert seen == {("GET", "unmatched", "404", "anonymous"): 1}


async def test_a_histogram_is_cumulative_and_its_infinite_bucket_is_its_count(live):
    for seconds in (0.005, 0.01, 0.0101, 0.3, 99):
        recorder(live, "http.server.request.duration").record(seconds, ("GET", "/", 200, None, "http", None, None))
    seen = scrape(live)
    buckets = {key[0]: value for key, value in seen.series("http_request_duration_seconds_bucket", "le").items()}
    assert buckets == {
        "0.01": 2,
        "0.05": 3,
        "0.1": 3,
        "0.25": 3,
        "0.5": 4,
        "1.0": 4,
        "2.5": 4,
        "5.0": 4,
        "10.0": 4,
        "+Inf": 5,
    }
    assert seen.value("http_request_duration_seconds_count") == 5
    assert seen.value("http_request_duration_seconds_sum") == pytest.approx(99.3251)


async def test_attribute_sets_that_are_one_series_of_the_contract_are_added(live):
    duration = recorder(live, "http.server.request.duration")
    for scheme in ("http", "https"):
        for error in (None, "500"):
            duration.record(0.2, ("GET", "/", 500, "admin", scheme, error, None))
    seen = scrape(live)
    assert seen.value("http_requests_total", status_code="500", user_role="admin") == 4
    assert seen.value("http_request_duration_seconds_bucket", le="0.25") == 4


def test_streams_are_counted_as_requests_and_are_not_in_their_histogram(live):
    duration = recorder(live, "http.server.request.duration")
    duration.record(60, ("GET", "/s", 200, None, "http", None, True))
    duration.record(0.1, ("GET", "/s", 200, None, "http", None, None))
    seen = scrape(live)
    assert seen.value("http_requests_total", endpoint="/s") == 2
    assert seen.value("http_request_duration_seconds_count", endpoint="/s") == 1


def test_creation_times_are_in_openmetrics_only(live):
    before = time.time()
    recorder(live, "db.deadlocks").record(1, ("pool",))
    seen = scrape(live)
    assert before - 60 < seen.value("db_deadlocks_created") <= time.time()
    assert "_created" not in text(live)


def test_a_counter_that_was_created_at_zero_is_there(live):
    recorder(live, "db.deadlocks").record(0, ("pool",))
    assert scrape(live).series("db_deadlocks_total", "pool") == {("pool",): 0}


async def test_a_request_that_is_traced_is_an_exemplar_of_its_bucket(shop):
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    telemetry = setup_telemetry(shop, trust_parent_sampling=True)
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    await get(shop, "/things/1", headers=[(b"traceparent", f"00-{trace_id}-b7ad6b7169203331-01".encode())])
    exemplars = [
        sample.exemplar
        for family in parse_openmetrics(text(telemetry, OPENMETRICS))
        for sample in family.samples
        if family.name == "http_request_duration_seconds" and sample.exemplar
    ]
    assert [exemplar.labels["trace_id"] for exemplar in exemplars] == [trace_id]
    assert len(exemplars[0].labels["span_id"]) == 16
    assert 0 < exemplars[0].value < 5
    assert abs(float(exemplars[0].timestamp) - time.time()) < 60
    assert "trace_id" not in text(telemetry)


def test_the_applications_own_meters_are_there_without_scope_labels(live):
    counter = metrics.get_meter("shop", "1.0").create_counter("shop.orders", "{order}", "Orders.")
    counter.add(3, {"country": "cn"})
    seen = scrape(live)
    assert seen.series("shop_orders_total", "country") == {("cn",): 3}
    assert "otel_scope" not in text(live)


def test_a_meter_of_the_applications_cannot_take_a_name_of_the_contracts(live, caplog):
    recorder(live, "db.deadlocks").record(2, ("pool",))
    meter = metrics.get_meter("shop")
    meter.create_counter("db.deadlocks").add(40)
    meter.create_counter("http.requests").add(40)
    for _ in range(2):
        seen = scrape(live)
    assert seen.value("db_deadlocks_total") == 2
    assert seen.value("http_requests_total") == 0
    assert len([record for record in caplog.records if "db_deadlocks" in record.getMessage()]) <= 1


def test_two_meters_with_one_name_do_not_break_the_scrape(live):
    metrics.get_meter("one").create_counter("shop.things").add(1)
    metrics.get_meter("two").create_histogram("shop.things").record(1)
    assert scrape(live).has("system_info")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(), st.text(), st.floats(0, 1e6)), max_size=20))
def test_whatever_is_in_a_label_the_exposition_parses(live, series):
    slow, duration = recorder(live, "db.slow_queries"), recorder(live, "db.client.operation.duration")
    for table, operation, seconds in series:
        slow.record(1, (table, operation))
        duration.record(seconds, (table, operation, None, None))
    for accept, parser in ((None, parse_text), (OPENMETRICS, parse_openmetrics)):
        assert list(parser(text(live, accept)))


@given(st.text(st.characters(categories=["Cs", "Cc", "Zl", "Zp", "Co"]), min_size=1))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_surrogates_and_control_characters_parse_too(live, table):
    recorder(live, "db.slow_queries").record(1, (table, "SELECT"))
    assert list(parse_openmetrics(text(live, OPENMETRICS)))


def test_values_that_are_printed_alike_are_one_series(live):
    for table in ("\ud800", "\\ud800"):
        recorder(live, "db.slow_queries").record(1, (table, "SELECT"))
    assert scrape(live).series("db_slow_queries_total", "table") == {("\\ud800",): 2}


def test_concurrent_scrapes_are_each_whole(live):
    duration = recorder(live, "cache.operation.duration")
    stop = threading.Event()
    seen: list[Scrape] = []
    failures: list[BaseException] = []

    def record():
        while not stop.is_set():
            duration.record(0.001, ("get",))

    def look():
        try:
            seen.extend(parse(text(live)) for _ in range(30))
        except BaseException as error:
            failures.append(error)

    recording = threading.Thread(target=record)
    recording.start()
    scrapers = [threading.Thread(target=look) for _ in range(4)]
    for thread in scrapers:
        thread.start()
    for thread in scrapers:
        thread.join()
    stop.set()
    recording.join()
    assert not failures
    assert len(seen) == 120
    for found in seen:
        count = found.value("cache_operation_duration_seconds_count")
        assert found.value("cache_operation_duration_seconds_bucket", le="+Inf") == count
        assert found.has("system_info")


async def test_a_scrape_changes_nothing(shop, live):
    await get(shop, "/things/1")
    first, second = (text(live) for _ in range(2))
    assert first == second


@pytest.mark.faulty
def test_a_family_that_cannot_be_made_does_not_take_the_others_with_it(live, monkeypatch):
    real = _collector.families

    def broken(metric):
        if metric.name == "db.deadlocks":
            raise RuntimeError("broken")
        return real(metric)

    monkeypatch.setattr(_collector, "families", broken)
    recorder(live, "db.deadlocks").record(1, ("pool",))
    seen = scrape(live)
    assert not seen.has("db_deadlocks_total")
    assert seen.has("system_info")
