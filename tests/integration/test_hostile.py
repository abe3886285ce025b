"""Whatever is sent: the pipeline goes on, and nobody writes the contract's names but the contract's metrics."""

import http.client
import json

import pytest

from tests.otlp_json import (
    CUMULATIVE,
    DELTA,
    NOW,
    attributes,
    buckets,
    counter,
    exponential,
    gauge,
    histogram,
    number,
    point,
    request,
)
from tests.until import until
from wxiai_otel.catalogue import CONTRACT, RULE_METRICS

pytestmark = pytest.mark.built

NAME = "http.server.request.duration"
ROUTE = {"http.request.method": "GET", "http.route": "/a", "http.response.status_code": 200}


@pytest.fixture
def pipeline(hostile_pipeline):
    return hostile_pipeline


def send(pipeline, job, *metrics, scope="hostile"):
    return pipeline.send("metrics", request({"service.name": job}, (scope, metrics)))


def works(pipeline, job):
    """An honest application is still served, exactly."""
    honest = f"{job}-honest"
    assert send(pipeline, honest, histogram(NAME, buckets([1] * 15, 1.0, ROUTE)), scope="http") == 200
    return pipeline.exposition(honest).value("http_requests_total", endpoint="/a") == 15


def spellings():
    """Names and units that the exporter turns into a name of the contract's."""
    for name in (*CONTRACT, *(metric.name for metric in RULE_METRICS)):
        yield counter(name, number(666))
        yield gauge(name, number(666))
        yield gauge(name.replace("_", "."), number(666))
        yield counter(name.replace("_", "-").removesuffix("-total"), number(666))
        yield counter(f"..{name.replace('_', '//')}__", number(666))
        words = name.removesuffix("_total").split("_")
        yield counter("_".join([*words[:1], "total", *words[1:]]), number(666))
        yield counter("_".join(words[:-1]), number(666), unit=words[-1])
        yield gauge("_".join(words[:-1]), number(666), unit=words[-1])
        yield counter(".".join(words), number(666), unit=words[0])
        for suffix, unit in (("_seconds", "s"), ("_bytes", "By"), ("_ratio", "1")):
            if name.endswith(suffix):
                yield histogram(name.removesuffix(suffix), buckets([1, 2], 3.0, {}, bounds=(1,)), unit=unit)
                yield gauge(name.removesuffix(suffix), number(666), unit=unit)
        for suffix in ("_bucket", "_count", "_sum", "_created"):
            yield gauge(name + suffix, number(666, {"le": "1"}))
        yield histogram(name, buckets([1, 2], 3.0, {}, bounds=(1,)), unit="")


def test_no_other_metric_can_take_a_contract_name(pipeline, job):
    for metric in spellings():
        assert send(pipeline, job, metric) == 200

    assert pipeline.names(job) == set()
    assert works(pipeline, job)


@pytest.mark.parametrize(
    "name",
    ["up", "ALERTS", "target_info", "otelcol.exporter.sent", "prometheus_build_info", "job:x:rate5m", "scrape.x"],
)
def test_no_metric_can_take_a_name_of_the_pipelines_own(pipeline, job, name):
    assert send(pipeline, job, gauge(name, number(1))) == 200

    assert pipeline.names(job) == set()


def test_names_that_only_resemble_the_contracts_pass(pipeline, job):
    metrics = [gauge("http_requests_now", number(1)), gauge("upload", number(1)), gauge("my.ai.tasks", number(1))]
    assert send(pipeline, job, *metrics) == 200

    assert pipeline.names(job) == {"http_requests_now", "upload", "my_ai_tasks"}


def test_the_sdks_metrics_by_another_type_are_no_contract_series(pipeline, job):
    metrics = [
        gauge("ai.tasks", number(1, {"service": "flux"})),
        counter("credits.consumed", number(1), monotonic=False),
        histogram("cache.size", buckets([1, 2], 3.0, {}, bounds=(1,))),
        counter("db.client.operation.duration", number(1)),
    ]
    assert send(pipeline, job, *metrics, scope="wxiai_otel") == 200

    assert not pipeline.names(job) & set(CONTRACT)
    assert works(pipeline, job)


def test_histograms_whose_buckets_do_not_fit_together_end_nothing(pipeline, job):
    bounds = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
    table = {"db.collection.name": "a", "db.operation.name": "SELECT"}
    shorter = {**buckets([1] * 9, 1.0, table, bounds), "bucketCounts": ["1", "2"]}
    points = [
        buckets([1] * 9, 1.0, table, bounds),
        buckets([1, 2], 1.0, {**table, "error.type": "x"}, (0.5,)),
        shorter,
        {**shorter, "bucketCounts": []},
        {**shorter, "explicitBounds": []},
        {**point(table), "count": "3"},
    ]
    metric = histogram("db.client.operation.duration", *points)
    assert send(pipeline, job, metric, scope="wxiai_otel") == 200
    assert send(pipeline, job, histogram(NAME, *points)) == 200

    assert pipeline.exposition(job).value("db_query_duration_seconds_count") == 9
    assert works(pipeline, job)


def test_an_exponential_histogram_of_requests_is_counted_and_has_no_contract_buckets(pipeline, job):
    exponential_point = {
        **point(ROUTE),
        "count": "7",
        "sum": 1.5,
        "scale": 3,
        "zeroCount": "0",
        "positive": {"offset": -4, "bucketCounts": ["3", "4"]},
    }
    assert send(pipeline, job, exponential(NAME, exponential_point)) == 200

    assert pipeline.names(job) == {"http_requests_total"}
    assert pipeline.exposition(job).value("http_requests_total") == 7
    assert send(pipeline, job, exponential("render.time", {**exponential_point, "scale": -11})) == 200
    assert works(pipeline, job)


def test_requests_in_another_unit_are_no_contract_series(pipeline, job):
    assert send(pipeline, job, histogram(NAME, buckets([1] * 15, 1.0, ROUTE), unit="ms")) == 200

    assert {name for name in pipeline.names(job) if not name.startswith("http_server_request_duration_ms")} == {
        f"http_server_request_duration_milliseconds_{part}" for part in ("bucket", "count", "sum")
    }


def test_deltas_without_a_time_or_an_order_end_nothing(pipeline, job):
    second = 10**9
    for start, now in ((NOW, NOW + second), (NOW, NOW + second), (NOW - second, NOW), (0, 0), (NOW + second, NOW)):
        points = buckets([1] * 15, 1.0, ROUTE, start=start, now=now)
        assert send(pipeline, job, histogram(NAME, points, temporality=DELTA)) == 200
        assert send(pipeline, job, counter("orders", number(1, start=start, now=now), temporality=DELTA)) == 200
        assert send(pipeline, job, counter("depth", number(1), temporality=DELTA, monotonic=False)) == 200
    assert send(pipeline, job, counter("none", number(1), temporality=0)) == 200

    assert works(pipeline, job)


def test_attributes_of_ten_megabytes_are_cut(pipeline, job):
    huge = "界" * 3_500_000
    route = {**ROUTE, "http.route": huge, "user.role": huge}
    assert send(pipeline, job, histogram(NAME, buckets([1] * 15, 1.0, route))) == 200
    assert send(pipeline, job, gauge("depth", number(1, {"a": huge}))) == 200
    assert pipeline.send("metrics", request({"service.name": huge, "x": huge}, ("x", [gauge("y", number(1))]))) == 200

    labels = [value for sample in pipeline.exposition().samples for value in sample.labels.values()]
    assert max(len(value.encode()) for value in labels) <= 1024
    assert works(pipeline, job)


def test_a_request_beyond_the_limit_is_refused(pipeline, job):
    assert send(pipeline, job, gauge("depth", number(1, {"a": "a" * 70_000_000}))) in {400, 413}

    assert works(pipeline, job)


@pytest.mark.parametrize(
    "labels",
    [
        {"le": "1", "quantile": "0.5"},
        {"job": "x", "instance": "y"},
        {"a.b": "1", "a_b": "2"},
        {"__name__": "http_requests_total"},
        {"": "x"},
        {'\x00\n"\\': '\x00\n"\\'},
        {f"key{number}": "x" for number in range(100)},
        {"nested": [[1, 2], "x"]},
    ],
)
def test_labels_that_the_exposition_cannot_hold_end_nothing(pipeline, job, labels):
    metrics = [
        histogram("render.time", buckets([1, 2], 3.0, labels, bounds=(1,))),
        counter("orders", number(1, labels)),
        histogram(NAME, buckets([1] * 15, 1.0, {**ROUTE, **labels})),
    ]
    assert send(pipeline, job, *metrics) == 200
    assert pipeline.send("metrics", request({"service.name": f"{job}-resource", **labels}, ("x", metrics))) == 200

    assert pipeline.exposition(job).value("http_requests_total", endpoint="/a") == 15
    assert works(pipeline, job)


def test_what_is_no_otlp_is_refused(pipeline, job):
    for body in (b"", b"{", b'{"resourceMetrics": 5}', b"\x00" * 1000, json.dumps([[]] * 10).encode()):
        for content_type in ("application/json", "application/x-protobuf", "text/html"):
            connection = http.client.HTTPConnection("127.0.0.1", pipeline.state.ports["otlp_http"], timeout=10)
            connection.request("POST", "/v1/metrics", body, {"content-type": content_type})
            assert connection.getresponse().status in {200, 400, 415}
            connection.close()

    assert works(pipeline, job)


def test_metrics_without_points_or_names_end_nothing(pipeline, job):
    empty = [
        {"name": NAME, "unit": "s"},
        histogram(NAME),
        counter("ai.tasks"),
        gauge("", number(1)),
        gauge("..", number(1)),
        {"name": "summary", "summary": {"dataPoints": [{**point({}), "count": "1", "sum": 1.0}]}},
        gauge("x" * 1_000_000, number(1)),
        histogram(NAME, buckets([1] * 15, float("nan"), ROUTE))
        | {"metadata": attributes({"prometheus.type": "unknown"})},
    ]
    for metric in empty:
        assert send(pipeline, job, metric) in {200, 400}
        assert send(pipeline, job, metric, scope="wxiai_otel") in {200, 400}

    assert works(pipeline, job)


def test_prometheus_goes_on_scraping(pipeline, job):
    """After all the above: what the Collector shows, Prometheus can read."""
    assert send(pipeline, job, histogram(NAME, buckets([1] * 15, 1.0, ROUTE), temporality=CUMULATIVE)) == 200

    def values(query):
        return [float(series["value"][1]) for series in pipeline.query(query)]

    until(lambda: values(f'http_requests_total{{job="{job}"}}'), equals=[15])
    until(lambda: values('up{job="applications"}'), equals=[1])
