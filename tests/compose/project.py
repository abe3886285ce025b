"""docker-compose.yml under way: what is asked of it from outside and from inside."""

import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from stack.binaries import find
from stack.programs import ROOT
from tests.compose.daemon import Docker, NoDockerError, docker, run
from tests.compose.images import build_all, ours
from tests.compose.test_file import IMAGES, SERVICES
from tests.servers.ports import free_port

# Without the traffic of the example: a test counts the requests that it sends.
UP = ("up", "--detach", "--wait", "--wait-timeout=300", "--no-build", "--scale=traffic=0")
# Each service waits for others to be healthy, and a machine may be slow.
PATIENT = {"interval": "2s", "timeout": "20s", "retries": 60}
GET = "import sys, urllib.request as r; sys.stdout.buffer.write(r.urlopen(sys.argv[1], timeout=20).read())"


class Project:
    """A compose project.

    Parameters:
        host: The address of the daemon that runs it.
        override: A file that goes over docker-compose.yml.
        ports: The application's, one beside the other.
        grafana: Its port.
    """

    def __init__(self, host: str, override: str, ports: tuple[int, int], grafana: int) -> None:
        self.docker = Docker(host)
        self.ports, self.grafana = ports, grafana
        published = {"APPLICATION_PORTS": "-".join(map(str, ports)), "GRAFANA_PORT": str(grafana)}
        self._environ = {**self.docker.environ, **published}
        self._files = ("-f", str(ROOT / "docker-compose.yml"), "-f", override, "--profile", "example")

    def __call__(self, *arguments: str, environ: dict[str, str] | None = None) -> str:
        """Run a command of compose; what it has printed."""
        return run(find("compose"), *self._files, *arguments, env={**self._environ, **(environ or {})}, cwd=ROOT)

    def containers(self) -> dict[str, dict]:
        """What Docker knows of each container, by its name."""
        # Not those of `run`, which are removed at their end.
        labels = ("project=wxiai-otel", "oneoff=False")
        filters = [word for label in labels for word in ("--filter", f"label=com.docker.compose.{label}")]
        ids = self.docker("ps", "--all", "--quiet", *filters).split()
        return {one["Name"].strip("/"): one for one in json.loads(self.docker("inspect", *ids))}

    def get(self, url: str) -> str:
        """What a service answers to another one."""
        return self("exec", "--no-TTY", "bridge", "python", "-c", GET, url)

    def query(self, expression: str) -> list[dict]:
        """Ask Prometheus."""
        query = urllib.parse.urlencode({"query": expression})
        return json.loads(self.get(f"http://prometheus:9090/api/v1/query?{query}"))["data"]["result"]

    def number(self, expression: str) -> float:
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else 0.0


@contextmanager
def running(folder: Path) -> Iterator[dict[str, Any]]:
    """Run a daemon and the project until the block ends: the arguments of `Project`, or what is ``missing``."""
    services = {name: {"healthcheck": dict(PATIENT)} for name in set(SERVICES) - {"setup", "collector"}}
    services["bridge"]["environment"] = {"WXIAI_BRIDGE_WEBHOOK_URL": "http://sink:8080/"}
    services["sink"] = {
        "image": ours(),
        "command": ["python", "/sink.py"],
        "volumes": [f"{ROOT / 'tests' / 'compose' / 'sink.py'}:/sink.py:ro"],
        "healthcheck": {"test": ["CMD", "python", "-m", "compose.health", "http://127.0.0.1:8080/"], **PATIENT},
    }
    override = folder / "override.yml"
    override.write_text(yaml.safe_dump({"services": services}))
    ports = _two_ports()
    arguments = {"override": str(override), "ports": ports, "grafana": free_port()}
    try:
        with docker() as daemon:
            arguments["host"] = daemon.host
            build_all(daemon, folder, f"python:{IMAGES['python']}")
            made = Project(**arguments)
            made(*UP)
            yield arguments
            made("down", "--volumes", "--timeout=5")
    except NoDockerError as error:
        yield {"missing": str(error)}


def _two_ports() -> tuple[int, int]:
    """Two free ports beside each other."""
    first, second = free_port(), free_port()
    while second != first + 1:
        first, second = second, free_port()
    return first, second
