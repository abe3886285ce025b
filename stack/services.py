"""What runs: each program's command, configuration, ports and health."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .alerting import lay_out_alertmanager, lay_out_bridge, lay_out_rules
from .binaries import find
from .ports import HOST
from .programs import ROOT
from .speed import faster

Ports = Mapping[str, int]

# As Prometheus evaluates: each 5 s, at once, on what is no older than the Collector shows it, and no label is added.
_AS_PROMETHEUS = (
    "-evaluationInterval=5s",
    "-rule.evalDelay=0s",
    "-datasource.queryStep=30s",
    "-remoteWrite.flushInterval=500ms",
    "-disableAlertgroupLabel",
)


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the pipeline.

    Parameters:
        name: Its name.
        binary: The program; None: this Python.
        ports: Each port's name and the port that it has when it is free.
        main: The port that its address is made of.
        health: The port that says whether it is healthy, and the path.
        arguments: Made of the ports of all services and of its folder for data.
        environ: Likewise.
    """

    name: str
    binary: str | None
    ports: dict[str, int]
    main: str
    health: tuple[str, str]
    arguments: Callable[[Ports, Path], list[str]]
    environ: Callable[[Ports, Path], dict[str, str]] = field(default=lambda _ports, _data: {})

    def program(self) -> Path:
        """The program's file, built when there is none."""
        return Path(sys.executable) if self.binary is None else find(self.binary)


def _wants_victoriametrics() -> bool:
    return os.environ.get("STACK_VICTORIAMETRICS", "") not in {"", "0", "false"}


def _layers() -> list[str]:
    names = ["base", "contract", "traces", "self", "logs"]
    # Either the Collector decides (the applications have tail_sampling="collector") or they do, never both.
    if os.environ.get("STACK_TAIL_SAMPLING") != "process":
        names.append("sampling")
    if _wants_victoriametrics():
        names.append("victoriametrics")
    return [f"--config={ROOT / 'collector' / f'{name}.yaml'}" for name in names]


def _address(ports: Ports, port: str) -> str:
    return f"{HOST}:{ports[port]}"


def _collector_environ(ports: Ports, data: Path) -> dict[str, str]:
    return {
        "COLLECTOR_OTLP_GRPC": _address(ports, "otlp_grpc"),
        "COLLECTOR_OTLP_HTTP": _address(ports, "otlp_http"),
        "COLLECTOR_PROMETHEUS": _address(ports, "collector_metrics"),
        "COLLECTOR_SELF_PORT": str(ports["collector_self"]),
        "COLLECTOR_HEALTH": _address(ports, "collector_health"),
        "COLLECTOR_JAEGER": _address(ports, "jaeger_otlp"),
        "COLLECTOR_DATA": str(data / "collector"),
        **(
            {"COLLECTOR_VICTORIAMETRICS": f"http://{_address(ports, 'victoriametrics')}/api/v1/write"}
            if "victoriametrics" in ports
            else {}
        ),
    }


def _jaeger_environ(ports: Ports, data: Path) -> dict[str, str]:
    return {
        "JAEGER_OTLP_GRPC": _address(ports, "jaeger_otlp"),
        "JAEGER_HTTP": _address(ports, "jaeger"),
        "JAEGER_GRPC": _address(ports, "jaeger_grpc"),
        "JAEGER_HEALTH": _address(ports, "jaeger_health"),
        "JAEGER_SELF_PORT": str(ports["jaeger_self"]),
        "JAEGER_DATA": str(data / "jaeger"),
    }


def prometheus_config(ports: Ports, rules: Path) -> str:
    """prometheus.yml, with this machine's addresses and paths.

    Parameters:
        ports: Of all services.
        rules: The folder of the rules.
    """
    return _scrape_config("prometheus.yml", ports).replace("- alerts/", f"- {rules}/")


def _scrape_config(name: str, ports: Ports) -> str:
    text = faster((ROOT / name).read_text())
    for address, port in (
        ("collector:9464", "collector_metrics"),
        ("collector:8888", "collector_self"),
        ("localhost:9090", "prometheus"),
        ("alertmanager:9093", "alertmanager"),
        ("jaeger:8889", "jaeger_self"),
        ("bridge:9095", "bridge"),
    ):
        text = text.replace(f'"{address}"', f'"{_address(ports, port)}"')
    return text


def _prometheus_arguments(ports: Ports, data: Path) -> list[str]:
    config = data / "prometheus.yml"
    config.write_text(prometheus_config(ports, lay_out_rules(data / "alerts", _address(ports, "bridge"))))
    return [
        f"--config.file={config}",
        f"--storage.tsdb.path={data / 'prometheus'}",
        f"--storage.tsdb.retention.time={os.environ.get('STACK_PROMETHEUS_RETENTION', '15d')}",
        f"--web.listen-address={_address(ports, 'prometheus')}",
        # Where links in alerts lead.
        f"--web.external-url=http://{_address(ports, 'prometheus')}",
        "--web.enable-lifecycle",
        "--enable-feature=exemplar-storage,created-timestamp-zero-ingestion",
    ]


def _victoriametrics_arguments(ports: Ports, data: Path) -> list[str]:
    config = data / "victoriametrics.yml"
    config.write_text(_scrape_config("victoriametrics.yml", ports))
    return [
        f"-promscrape.config={config}",
        f"-storageDataPath={data / 'victoriametrics'}",
        f"-retentionPeriod={os.environ.get('STACK_PROMETHEUS_RETENTION', '15d')}",
        f"-httpListenAddr={_address(ports, 'victoriametrics')}",
        # What has come is seen at once; by default, 30 s later.
        "-search.latencyOffset=0s",
        f"-vmalert.proxyURL=http://{_address(ports, 'vmalert')}",
    ]


def _vmalert_arguments(ports: Ports, data: Path) -> list[str]:
    rules = lay_out_rules(data / "vmalert", _address(ports, "bridge"))
    storage = f"http://{_address(ports, 'victoriametrics')}"
    return [
        f"-rule={rules}/*.yml",
        f"-datasource.url={storage}",
        f"-remoteWrite.url={storage}",
        f"-remoteRead.url={storage}",
        f"-httpListenAddr={_address(ports, 'vmalert')}",
        # Prometheus tells already.
        "-notifier.blackhole",
        *map(faster, _AS_PROMETHEUS),
    ]


def _alertmanager_arguments(ports: Ports, data: Path) -> list[str]:
    config = lay_out_alertmanager(data, _address(ports, "bridge"), _address(ports, "smtp"))
    return [
        f"--config.file={config}",
        f"--storage.path={data / 'alertmanager'}",
        f"--web.listen-address={_address(ports, 'alertmanager')}",
        # Where links in notifications lead.
        f"--web.external-url=http://{_address(ports, 'alertmanager')}",
        # One alone has no others to talk to.
        "--cluster.listen-address=",
    ]


def _bridge_arguments(ports: Ports, data: Path) -> list[str]:
    config = lay_out_bridge(data)
    return ["-m", "wxiai_otel.cli", "bridge", f"--config={config}", f"--host={HOST}", f"--port={ports['bridge']}"]


def _bridge_environ(_ports: Ports, data: Path) -> dict[str, str]:
    token = os.environ.get("WXIAI_BRIDGE_TOKEN_FILE") or str(data / "secrets" / "bridge_token")
    return {"PYTHONPATH": str(ROOT), "WXIAI_BRIDGE_TOKEN_FILE": token}


SERVICES = (
    Service(
        "jaeger",
        "jaeger",
        {"jaeger": 16686, "jaeger_grpc": 16685, "jaeger_otlp": 14317, "jaeger_health": 13134, "jaeger_self": 8889},
        "jaeger",
        ("jaeger_health", "/status"),
        lambda _ports, _data: [f"--config={ROOT / 'jaeger.yaml'}"],
        _jaeger_environ,
    ),
    Service(
        "collector",
        "otelcol",
        {
            "otlp_http": 4318,
            "otlp_grpc": 4317,
            "collector_metrics": 9464,
            "collector_self": 8888,
            "collector_health": 13133,
        },
        "otlp_http",
        ("collector_health", "/"),
        lambda _ports, _data: _layers(),
        _collector_environ,
    ),
    Service(
        "mailpit",
        "mailpit",
        {"mailpit": 8025, "smtp": 1025},
        "mailpit",
        ("mailpit", "/readyz"),
        lambda ports, data: [
            f"--listen={_address(ports, 'mailpit')}",
            f"--smtp={_address(ports, 'smtp')}",
            f"--database={data / 'mailpit.db'}",
            "--disable-version-check",
        ],
    ),
    Service(
        "bridge",
        None,
        {"bridge": 9095},
        "bridge",
        ("bridge", "/health"),
        _bridge_arguments,
        _bridge_environ,
    ),
    Service(
        "alertmanager",
        "alertmanager",
        {"alertmanager": 9093},
        "alertmanager",
        ("alertmanager", "/-/ready"),
        _alertmanager_arguments,
    ),
    Service(
        "prometheus",
        "prometheus",
        {"prometheus": 9090},
        "prometheus",
        ("prometheus", "/-/ready"),
        _prometheus_arguments,
    ),
)

# Only where STACK_VICTORIAMETRICS is set.
_VICTORIAMETRICS = (
    Service(
        "victoriametrics",
        "victoria-metrics",
        {"victoriametrics": 8428},
        "victoriametrics",
        ("victoriametrics", "/health"),
        _victoriametrics_arguments,
    ),
    Service(
        "vmalert",
        "vmalert",
        {"vmalert": 8880},
        "vmalert",
        ("vmalert", "/health"),
        _vmalert_arguments,
    ),
)
ALL_SERVICES = (*SERVICES, *_VICTORIAMETRICS)


def wanted() -> tuple[Service, ...]:
    """The services of a stack that is started now."""
    return ALL_SERVICES if _wants_victoriametrics() else SERVICES
