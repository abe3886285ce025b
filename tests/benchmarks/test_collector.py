"""The harness of the Collector's benchmark, at its smallest: it measures, and says when the bar is missed."""

import json

import pytest

from benchmarks import collector, otelcol
from benchmarks.statements import steps

pytestmark = pytest.mark.built

SMALL = ["--rounds", "2", "--exports", "1", "--workers", "2", "--routes", "3"]


def run(monkeypatch, folder, *arguments):
    target = folder / "result.json"
    monkeypatch.setattr("sys.argv", ["bench-collector", *SMALL, "--json", str(target), *arguments])
    return collector.main(), json.loads(target.read_text())


@pytest.mark.parametrize(("at_most", "status"), [("1000", 0), ("0.001", 1)])
def test_a_missed_bar_is_the_exit_status(monkeypatch, tmp_path, capsys, at_most, status):
    returned, found = run(monkeypatch, tmp_path, "--check", "--at-most", at_most)

    assert returned == status
    assert ("bars missed: http: ours / empty; grpc: ours / empty" in capsys.readouterr().err) == bool(status)
    assert [bar["met"] for bar in found["bars"]] == [not status] * 2
    assert {
        protocol: {name: len(each) for name, each in got.items()}
        for protocol, got in found["cpu_us_a_datapoint"].items()
    } == {"http": {"empty": 2, "ours": 2}, "grpc": {"empty": 2, "ours": 2}}
    assert all(min(each) > 0 for got in found["cpu_us_a_datapoint"].values() for each in got.values())


def test_without_check_a_missed_bar_is_only_said(monkeypatch, tmp_path, capsys):
    returned, _ = run(monkeypatch, tmp_path, "--at-most", "0.001")

    assert returned == 0
    assert capsys.readouterr().out.count("MISSED") == 2


def test_the_last_step_of_each_pipeline_is_the_pipeline():
    found = steps()
    whole = found["all"]["service"]["pipelines"]
    for name, pipeline in whole.items():
        last = [config for step, config in found.items() if step.startswith(f"{name}:")][-1]
        assert last["service"]["pipelines"] == {name: pipeline}
        assert last["processors"] == found["all"]["processors"]


def test_the_collector_takes_a_step_with_half_of_the_groups():
    (name,) = [name for name in steps() if "transform/labels 2:" in name]
    with otelcol.collector(steps()[name]) as running:
        assert running.cpu_seconds() > 0
