"""The catalogue is the contract: every metric once, with its type, labels, values and buckets."""

from pathlib import Path

import pytest
import yaml
from opentelemetry.exporter.prometheus import _mapping

from wxiai_otel.catalogue import CONTRACT, INSTRUMENTS, RULE_METRICS, Across, Kind

# The contract as it was agreed, section by section.
AGREED = {
    name: entry
    for section, metrics in yaml.safe_load((Path(__file__).parent / "contract.yaml").read_text()).items()
    if isinstance(metrics, dict)
    for name, entry in metrics.items()
    if isinstance(entry, dict) and "type" in entry
}
BY_APPLICATION = {name: entry for name, entry in AGREED.items() if entry["origin"] == "app"}
BY_RULE = {name: entry for name, entry in AGREED.items() if entry["origin"] == "rule"}


def test_the_agreed_contract_is_read():
    assert len(BY_APPLICATION) > 30
    assert len(BY_RULE) == 9


def test_every_metric_of_the_contract_is_in_the_catalogue_and_no_other():
    own = {name for name in CONTRACT if name.startswith("wxiai_otel_")}
    assert set(CONTRACT) - own == set(BY_APPLICATION)
    assert {metric.name for metric in RULE_METRICS} == set(BY_RULE)


@pytest.mark.parametrize("name", BY_APPLICATION)
def test_it_has_the_contracts_type_labels_values_and_buckets(name):
    entry = BY_APPLICATION[name]
    instrument, metric = CONTRACT[name]
    assert metric.type == entry["type"]
    assert set(metric.labels) == {*entry["labels"], *entry.get("extra", ())}
    if "buckets" in entry:
        assert list(instrument.buckets) == entry["buckets"]
    for label, values in entry.get("values", {}).items():
        allowed = instrument.attribute_of(label).values
        if allowed:
            assert [value for value in allowed if value != "other"] == [
                value for value in values if value != "other" and " " not in value
            ]


@pytest.mark.parametrize("name", BY_RULE)
def test_a_rules_metric_has_the_contracts_labels(name):
    (metric,) = [metric for metric in RULE_METRICS if metric.name == name]
    assert set(metric.labels) == {*BY_RULE[name]["labels"], *BY_RULE[name].get("extra", ())}


def test_an_instrument_is_in_the_catalogue_once():
    names = [instrument.name for instrument in INSTRUMENTS]
    metrics = [metric.name for instrument in INSTRUMENTS for metric in instrument.metrics]
    assert len(set(names)) == len(names)
    assert len(set(metrics)) == len(metrics)


# Semantic conventions inside, the contract outside: these two are translated by the interpreters.
TRANSLATED = {"http.server.request.duration", "http.server.active_requests", "db.client.operation.duration"}


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda instrument: instrument.name)
def test_the_standard_prometheus_translation_of_its_name_is_the_contracts(instrument):
    """https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/"""
    if instrument.name in TRANSLATED:
        return
    (metric,) = instrument.metrics
    name = _mapping.sanitize_full_name(instrument.name)
    unit = "ratio" if instrument.unit == "1" and metric.type == "gauge" else _mapping.map_unit(instrument.unit)
    if unit and unit not in name:
        name = f"{name}_{unit}"
    assert name + ("_total" if metric.type == "counter" else "") == metric.name


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda instrument: instrument.name)
def test_how_processes_add_up_fits_its_kind(instrument):
    if instrument.kind in (Kind.COUNTER, Kind.HISTOGRAM, Kind.OBSERVABLE_COUNTER, Kind.UP_DOWN_COUNTER):
        assert instrument.across is Across.SUM
    else:
        assert instrument.across in (Across.MAX, Across.MIN, Across.EACH)


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda instrument: instrument.name)
def test_it_is_described_in_one_sentence_and_its_attributes_are_distinct(instrument):
    assert instrument.description.endswith(".") or instrument.description.endswith(")")
    keys = [attribute.key for attribute in instrument.attributes]
    labels = [attribute.label for attribute in instrument.attributes if attribute.label]
    assert len(set(keys)) == len(keys)
    assert len(set(labels)) == len(labels)
    assert list(instrument.buckets) == sorted(set(instrument.buckets))
    assert bool(instrument.buckets) is (instrument.kind is Kind.HISTOGRAM)


def test_a_label_that_no_attribute_has_is_an_error():
    with pytest.raises(KeyError, match="has no attribute for the label 'nobody'"):
        INSTRUMENTS[0].attribute_of("nobody")
