"""Two tiers of the real Collector on loopback: agents that find the gateways by name, and gateways of one port."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stack.binaries import find
from tests.scrape import Scrape, parse
from tests.servers.ports import free_port
from tests.servers.program import answers, program

ROOT = Path(__file__).parents[2]
NAME = "gateways.test"
AGENT = ("base", "contract", "traces", "self", "logs", "agent")
GATEWAY = ("base", "contract", "traces", "self", "sampling", "gateway")
# A hosts file of its own, which an agent asks every few seconds as it would ask a name server.
OWN_MOUNTS = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))


def can_have_own_hosts() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*OWN_MOUNTS, "true"], check=False).returncode == 0


class Tier:
    """One Collector: started, killed and started again on the same ports with the same data.

    Parameters:
        folder: For its data and its log.
        layers: Of its configuration.
        address: Of this machine, where it listens.
        wrap: A command that runs the Collector's.
        knobs: More of the environment.
    """

    def __init__(
        self, folder: Path, layers: Sequence[str], address: str, wrap: Sequence[str] = (), **knobs: str
    ) -> None:
        folder.mkdir()
        ports = {name: free_port() for name in ("otlp", "grpc", "shown", "self", "health")}
        self._url = {name: f"http://{address}:{port}" for name, port in ports.items()}
        self.endpoint = self._url["otlp"]
        self.log = folder / "log"
        self._environ = {
            "COLLECTOR_OTLP_HTTP": f"{address}:{ports['otlp']}",
            "COLLECTOR_OTLP_GRPC": f"{address}:{ports['grpc']}",
            "COLLECTOR_PROMETHEUS": f"{address}:{ports['shown']}",
            "COLLECTOR_HEALTH": f"{address}:{ports['health']}",
            "COLLECTOR_SELF_HOST": address,
            "COLLECTOR_SELF_PORT": str(ports["self"]),
            "COLLECTOR_DATA": str(folder / "data"),
            **knobs,
        }
        files = (f"--config={ROOT / 'collector' / f'{layer}.yaml'}" for layer in layers)
        self._command = [*wrap, str(find("otelcol")), *files]
        self._running = ExitStack()

    def start(self, **knobs: str) -> None:
        ready, environ = f"{self._url['health']}/", {**os.environ, **self._environ, **knobs}
        running = program(self._command, lambda: answers(ready), env=environ, log=self.log)
        self.process = self._running.enter_context(running)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        self._running.close()

    def send(self, kind: str, body: dict, context: ssl.SSLContext | None = None, **headers: str) -> int:
        """Send OTLP as JSON, by TLS where there is a context for it; the status of the answer."""
        url = self.endpoint if context is None else self.endpoint.replace("http:", "https:")
        headers["content-type"] = "application/json"
        asked = urllib.request.Request(f"{url}/v1/{kind}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=10, context=context) as response:
            return response.status

    def own(self) -> Scrape:
        """Its metrics of itself."""
        return self._get("self")

    def exposition(self) -> Scrape:
        """What it shows Prometheus of applications."""
        return self._get("shown")

    def _get(self, port: str) -> Scrape:
        with urllib.request.urlopen(f"{self._url[port]}/metrics", timeout=5) as response:
            return parse(response.read().decode())


class Tiers:
    """Agents and gateways.

    Parameters:
        folder: For all data.
        sink: Where gateways send what they keep.
        layers: More of all of them.
        number: Of each.
        knobs: Of all of them.
    """

    def __init__(self, folder: Path, sink: str, *layers: str, number: int = 2, **knobs: str) -> None:
        port = str(free_port())
        self._hosts = folder / "hosts"
        self.gateways = {
            address: Tier(
                folder / f"gateway-{address}",
                (*GATEWAY, *layers),
                address,
                COLLECTOR_AGENTS=f"{address}:{port}",
                COLLECTOR_JAEGER=sink,
                **knobs,
            )
            for address in (f"127.0.0.{2 + one}" for one in range(number))
        }
        bound = f'mount --bind {self._hosts} /etc/hosts && exec "$@"'
        found = {
            "COLLECTOR_GATEWAYS": NAME,
            "COLLECTOR_GATEWAYS_PORT": port,
            "COLLECTOR_GATEWAYS_INTERVAL": "500ms",
            **knobs,
        }
        wrap = (*OWN_MOUNTS, "sh", "-c", bound, "sh")
        self.agents = [
            Tier(folder / f"agent-{one}", (*AGENT, *layers), "127.0.0.1", wrap, **found) for one in range(number)
        ]

    def know(self, *addresses: str) -> None:
        """Have the gateways' name stand for these addresses; in place, since the file is mounted elsewhere."""
        self._hosts.write_text("".join(f"{address} {NAME}\n" for address in addresses))

    def settled(self, number: int) -> bool:
        """Whether the agents' rings have as many gateways."""
        return all(agent.own().value("otelcol_loadbalancer_num_backends") == number for agent in self.agents)

    def all(self) -> list[Tier]:
        return [*self.gateways.values(), *self.agents]


@contextmanager
def tiers(folder: Path, sink: str, *layers: str, number: int = 2, **knobs: str) -> Iterator[Tiers]:
    """Have them run until the block ends."""
    made = Tiers(folder, sink, *layers, number=number, **knobs)
    made.know(*made.gateways)
    with ExitStack() as ending, ThreadPoolExecutor() as together:
        for one in made.all():
            ending.callback(one.end)
        list(together.map(Tier.start, made.all()))
        yield made
