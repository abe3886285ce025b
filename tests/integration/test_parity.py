"""The embedded endpoint, and SDK → Collector → Prometheus: both interpreters of the catalogue give the same series."""

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client.parser import text_string_to_metric_families

from examples.demo.traffic import drive
from tests.scrape import Scrape, parse
from tests.servers.redis import run_redis
from tests.servers.uvicorn import uvicorn
from tests.until import until
from wxiai_otel._storage import Storage
from wxiai_otel.catalogue import CONTRACT, INSTRUMENTS, Kind
from wxiai_otel.instruments import Instruments
from wxiai_otel.prometheus import EmbeddedReader
from wxiai_otel.providers import ExportingReader

pytestmark = pytest.mark.built

PARTS = ("", "_bucket", "_count", "_sum")
# They count the exports themselves: one way is always an export behind the other.
OF_EXPORTS = ("wxiai_otel_exports_total", "wxiai_otel_exports_duration_seconds_total")
NAMES = {name + part for name in CONTRACT if name not in OF_EXPORTS for part in PARTS}


def contract_series(scrape: Scrape) -> dict[tuple, float]:
    """Value by name and labels; le as a number, since the two write it in different ways."""
    found = {}
    for sample in scrape.samples:
        if sample.name in NAMES:
            labels = {key: float(value) if key == "le" else value for key, value in sample.labels.items()}
            key = (sample.name, *sorted(labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def types(pipeline, names) -> dict[str, str]:
    answer = json.loads(pipeline.get("prometheus", "/api/v1/metadata"))["data"]
    return {name: answer[name][0]["type"] for name in names if name in answer}


def values_of(instrument):
    """Attribute sets of an instrument: what is known, what is not, and what only another interpreter would mind."""
    odd = (None, "", "x", "_OTHER", "other", "界", 'a"b\\c\nd', " a ", 200, "200", "\x01\x7f", "a\udc80b")
    choices = [(*attribute.values, *odd) for attribute in instrument.attributes]
    chance = random.Random(instrument.name)
    if not choices:
        return [()]
    every = list(itertools.islice(itertools.product(*choices), 2000))
    return chance.sample(every, min(60, len(every)))


def amounts(instrument):
    """Whole parts of 1/1024, whose sums are exact in any order."""
    chance = random.Random(instrument.name)
    bounds = (*instrument.buckets, instrument.buckets[-1] * 2) if instrument.buckets else (1.0, 5.0)
    return lambda: round(chance.choice(bounds) * chance.choice((0.25, 0.9, 1.0, 1.1)) * 1024) / 1024


def record_everything(instruments):
    for instrument in INSTRUMENTS:
        amount = amounts(instrument)
        if instrument.kind in (Kind.COUNTER, Kind.HISTOGRAM):
            for number, values in enumerate(values_of(instrument)):
                for _ in range(3):
                    # Some series hold whole numbers, some others: OTLP tells them apart.
                    instruments[instrument.name].record(amount() if number % 2 else 3, values)
        elif not instrument.name.startswith("wxiai_otel."):
            seen = [(values, amount()) for values in values_of(instrument)]
            instruments.observe(instrument.name, lambda seen=seen: seen)


@contextmanager
def everything_recorded(exporter, resource: Resource) -> Iterator[EmbeddedReader]:
    """Export every metric of the catalog, and keep it for the embedded endpoint, until the block ends."""
    storage = Storage()
    reader = EmbeddedReader(storage)
    provider = MeterProvider([reader, ExportingReader(exporter, 3_600, storage)], resource, shutdown_on_exit=False)
    try:
        record_everything(Instruments(provider.get_meter("wxiai_otel"), 10_000, storage))
        assert provider.force_flush()
        yield reader
    finally:
        provider.shutdown()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_every_metric_of_the_catalogue_is_equal_both_ways(pipeline, job, protocol):
    exporter = (
        HttpExporter(endpoint=f"{pipeline.url('otlp_http')}/v1/metrics")
        if protocol == "http"
        else GrpcExporter(endpoint=pipeline.url("otlp_grpc"), insecure=True)
    )
    resource = Resource({"service.name": job, "service.instance.id": "1"})
    with everything_recorded(exporter, resource) as reader:
        text = reader.render()[0].decode()
        embedded = contract_series(parse(text))

        def differences():
            stored = contract_series(pipeline.stored(job))
            keys = stored.keys() | embedded.keys()
            return {key: (embedded.get(key), stored.get(key)) for key in keys if embedded.get(key) != stored.get(key)}

        until(differences, equals={})

    expected = {name for name in CONTRACT if not name.startswith("wxiai_otel_")}
    assert {name for name in expected if not any(key[0].startswith(name) for key in embedded)} == set()
    families = {family.name: family.type for family in text_string_to_metric_families(text)}
    embedded_types = {name: families.get(name) or families[name.removesuffix("_total")] for name in expected}
    found = types(pipeline, expected)
    assert found == {name: embedded_types[name] for name in expected}


def test_the_examples_traffic_is_equal_both_ways(pipeline, job, tmp_path):
    """What changes by itself is compared once both have seen the same."""
    with (
        run_redis() as redis,
        uvicorn("examples.wxiai.provider:app") as provider,
        uvicorn(
            "examples.wxiai.app:app",
            env={
                "OTEL_EXPORTER_OTLP_ENDPOINT": pipeline.url("otlp_http"),
                "OTEL_SERVICE_NAME": job,
                "OTEL_METRIC_EXPORT_INTERVAL": "500",
                "WXIAI_DATABASE_URL": f"sqlite:///{tmp_path / 'wxiai.db'}",
                "WXIAI_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
                "WXIAI_PROVIDER_URL": provider.url,
            },
        ) as server,
    ):
        sent = asyncio.run(drive(server.url, 6, lambda _: None))

        def differences():
            embedded = contract_series(server.scrape())
            stored = contract_series(pipeline.stored(job))
            return {
                key: (embedded.get(key), stored.get(key))
                for key in embedded.keys() | stored.keys()
                if not near(embedded.get(key), stored.get(key))
            }

        until(differences, equals={})
        embedded = contract_series(server.scrape())

    assert (
        sum(value for key, value in embedded.items() if key[0] == "http_requests_total")
        >= sum(sent.values()) - sent["no answer"]
    )
    assert {key[0] for key in embedded} >= {
        "cache_operations_total",
        "db_query_duration_seconds_count",
        "http_stream_duration_seconds_count",
        "websocket_duration_seconds_count",
    }


def near(one, other):
    """Sums of floats that were added in another order may differ in their last digits."""
    return one is not None and other is not None and abs(one - other) <= 1e-9 * max(abs(one), abs(other))
