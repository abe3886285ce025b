"""The Collector's part of the catalogue is committed as the catalogue has it."""

import yaml

from collector.generate import SEMCONV, SEMCONV_BUCKETS, TARGET, contract, text
from wxiai_otel.catalogue import BY_NAME, CONTRACT


def test_contract_yaml_is_what_the_catalogue_gives():
    assert TARGET.read_text() == text(), "run scripts/generate"


def test_every_metric_of_the_catalogue_is_named_in_it():
    named = str(contract())
    assert {name for name in CONTRACT if f'set(metric.name, "{name}")' not in named} == set()


def test_the_default_buckets_of_other_sdks_hold_all_of_the_contracts():
    for name in SEMCONV:
        assert set(BY_NAME[name].buckets) <= set(SEMCONV_BUCKETS)


def test_dollars_are_escaped_from_the_collectors_variables():
    for processor in yaml.safe_load(TARGET.read_text())["processors"].values():
        assert "$" not in str(processor).replace("$$", "")
