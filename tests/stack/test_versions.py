"""A program is told from others by its version, and the Collector by its components too."""

import pytest

from stack.programs import JAEGER, OF_BINARY, OTELCOL, PROGRAMS, PROMETHEUS, minimum_go


@pytest.mark.parametrize(
    "output",
    [
        "prometheus, version 3.14.0 (branch: HEAD, revision: abc)",
        "prometheus, version 3.14.0",
        "v3.14.0",
    ],
)
def test_a_version_fits_as_programs_print_it(output):
    assert PROMETHEUS.is_version(output)


@pytest.mark.parametrize("output", ["", "3.14.1", "13.14.0", "3.14.0.1", "3.14", "2.3.14.0", "go1.26.8"])
def test_another_version_does_not_fit(output):
    assert not PROMETHEUS.is_version(output)


def test_jaegers_json_fits():
    assert JAEGER.is_version('{"gitCommit":"","gitVersion":"v2.13.0","buildDate":""}')


def test_the_collector_is_kept_by_its_manifest_too():
    assert OTELCOL.key.startswith(f"otelcol-{OTELCOL.version}-")
    assert PROMETHEUS.key == f"prometheus-{PROMETHEUS.version}"


def test_every_binary_is_of_a_program():
    pipeline = {"otelcol", "prometheus", "promtool", "alertmanager", "amtool", "jaeger", "mailpit"}
    checks = {"pint", "compose", "govulncheck", "kustomize", "kubeconform"}
    victoriametrics = {"victoria-metrics", "vmalert", "vmalert-tool"}
    assert set(OF_BINARY) == pipeline | checks | victoriametrics
    assert {program.name for program in OF_BINARY.values()} == set(PROGRAMS)
    assert minimum_go() >= (1, 25)
