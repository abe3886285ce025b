"""A real Alertmanager with our configuration, and what is posted to it."""

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stack.binaries import find
from stack.programs import ROOT
from tests.servers.ports import free_port
from tests.servers.program import answers, program

CONFIG = ROOT / "alerts" / "alertmanager.yml"


def quick(text: str, group_wait: str = "200ms") -> str:
    """The configuration with intervals that a test can wait for."""
    text = re.sub(r"group_wait: \S+", f"group_wait: {group_wait}", text)
    return re.sub(r"group_interval: \S+", "group_interval: 500ms", text)


class Alertmanager:
    """A running one."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def post(self, *alerts: dict) -> None:
        body = json.dumps(alerts).encode()
        request = urllib.request.Request(f"{self.url}/api/v2/alerts", body, {"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    def get(self, path: str):
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            return json.loads(response.read())

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the series that have these labels."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((name + "{", name + " ")) and all(one in line for one in wanted)
        )


def alert(
    alertname: str, severity: str = "critical", *, ended: bool = False, annotations: dict | None = None, **labels: str
):
    """An alert as Prometheus posts it."""
    moment = datetime.now(UTC)
    return {
        "labels": {"alertname": alertname, "severity": severity, **labels},
        "annotations": annotations or {"summary": f"{alertname} 出错", "summary_en": f"{alertname} is wrong"},
        "startsAt": (moment - timedelta(minutes=1) if ended else moment).isoformat(),
        "endsAt": (moment if ended else moment + timedelta(hours=1)).isoformat(),
        "generatorURL": "http://prometheus.example/graph",
    }


@contextmanager
def alertmanager(folder: Path, config: str) -> Iterator[Alertmanager]:
    """Serve until the block ends."""
    port = free_port()
    file = folder / "alertmanager.yml"
    file.write_text(config)
    command = [
        find("alertmanager"),
        f"--config.file={file}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.external-url=http://127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    ready = f"http://127.0.0.1:{port}/-/ready"
    with program(command, lambda: answers(ready), log=folder / "alertmanager.log"):
        yield Alertmanager(port)
