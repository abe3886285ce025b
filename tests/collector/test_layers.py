"""The configuration files, as the real programs read them."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from stack.binaries import find
from stack.services import SERVICES, prometheus_config

ROOT = Path(__file__).parents[2]
LAYERS = ("base", "contract", "traces", "self", "logs", "sampling")
AGENT = (*LAYERS[:5], "agent")
GATEWAY = (*LAYERS[:4], "sampling", "gateway")
KNOBS = re.compile(r"\$\{env:([A-Z_]+)(:-[^}]*)?\}")


def validate(*layers, **environ):
    files = [f"--config={ROOT / 'collector' / f'{layer}.yaml'}" for layer in layers]
    command = [find("otelcol"), "validate", *files]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environ}, timeout=60, check=False
    )


@pytest.mark.built
@pytest.mark.parametrize(
    "layers",
    [
        *(LAYERS[:2], (*LAYERS[:2], "self"), LAYERS[:3], LAYERS[:4], LAYERS[:5], (*LAYERS[:4], "sampling"), LAYERS),
        *(AGENT, (*LAYERS[:4], "agent"), GATEWAY, (*LAYERS, "victoriametrics"), (*AGENT, "victoriametrics")),
        *((*layers, "secure") for layers in (LAYERS[:3], LAYERS, AGENT, GATEWAY)),
    ],
    ids="+".join,
)
def test_the_collector_takes_each_combination_of_layers(layers):
    done = validate(*layers)
    assert done.returncode == 0, done.stderr


@pytest.mark.built
def test_a_knob_changes_what_is_read():
    done = validate(*LAYERS, COLLECTOR_MEMORY_LIMIT_MIB="many")
    assert done.returncode != 0
    assert "limit_mib" in done.stderr


@pytest.mark.built
def test_log_records_go_where_the_knob_says_and_to_nothing_else():
    assert validate(*LAYERS, COLLECTOR_LOGS_EXPORTER="otlp_http").returncode == 0
    done = validate(*LAYERS, COLLECTOR_LOGS_EXPORTER="nowhere")
    assert done.returncode != 0
    assert 'references exporter "nowhere"' in done.stderr


@pytest.mark.parametrize(
    "file",
    [
        *(f"collector/{layer}.yaml" for layer in (*LAYERS, "agent", "gateway", "victoriametrics", "secure")),
        "jaeger.yaml",
    ],
)
def test_every_knob_has_a_default_and_every_address_is_a_knob(file):
    text = (ROOT / file).read_text()
    assert [name for name, default in KNOBS.findall(text) if not default] == []
    without_knobs = "\n".join(line for line in KNOBS.sub("", text).splitlines() if not line.lstrip().startswith("#"))
    assert not re.search(r"127\.0\.0\.1|localhost|0\.0\.0\.0|endpoint: \S", without_knobs)


def test_metrics_pass_no_batch_and_the_memory_limiter_first():
    pipelines = yaml.safe_load((ROOT / "collector" / "base.yaml").read_text())["service"]["pipelines"]
    for pipeline in pipelines.values():
        assert pipeline["processors"][0] == "memory_limiter"
        assert not any(name.startswith("batch") for name in pipeline["processors"])


@pytest.mark.built
def test_prometheus_takes_its_configuration(tmp_path):
    ours = tmp_path / "prometheus.yml"
    ours.write_text(prometheus_config({port: 1000 for service in SERVICES for port in service.ports}, ROOT / "alerts"))
    # All addresses are this machine's.
    assert set(re.findall(r'targets: \["(.*)"\]', ours.read_text())) == {"127.0.0.1:1000"}
    for config in (ROOT / "prometheus.yml", ours):
        done = subprocess.run(
            [find("promtool"), "check", "config", config], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.built
def test_alertmanager_takes_its_configuration():
    config = ROOT / "alerts" / "alertmanager.yml"
    done = subprocess.run([find("amtool"), "check-config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.built
def test_jaeger_takes_its_configuration():
    config = ROOT / "jaeger.yaml"
    done = subprocess.run(
        [find("jaeger"), "validate", f"--config={config}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_components_of_the_collector_are_of_one_version():
    modules = re.findall(r"gomod: (\S+) v(\S+)", (ROOT / "collector" / "builder.yaml").read_text())
    versions = {version for module, version in modules if "/confmap/" not in module}
    pinned = tomllib.loads((ROOT / "stack" / "versions.toml").read_text())["otelcol"]["version"]
    assert versions == {pinned}
