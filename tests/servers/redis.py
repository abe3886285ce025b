"""Real Redis servers: a single one, one behind a Sentinel, and a cluster of three."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.servers.ports import free_port
from tests.until import until


class RedisServer:
    """A running server."""

    def __init__(self, process: subprocess.Popen, port: int, unix_socket: str) -> None:
        self.process = process
        self.port = port
        self.bus = 0
        self.unix_socket = unix_socket
        self.url = f"redis://127.0.0.1:{port}/0"
        self._asked = 0

    def ask(self, *words: str) -> str:
        """Send a command by hand: a client's would be counted."""
        self._asked += 1
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            parts = [word.encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            return connection.recv(65536).decode()

    def connections(self) -> int:
        """Return the number of connections that the server accepted, without those of `ask`."""
        (line,) = (line for line in self.ask("INFO", "stats").splitlines() if "total_connections_received" in line)
        return int(line.partition(":")[2]) - self._asked

    def knows_all_of(self, nodes: Sequence["RedisServer"]) -> bool:
        """Whether this node sees the cluster complete."""
        info = self.ask("CLUSTER", "INFO")
        return all(fact in info for fact in ("cluster_state:ok", f"cluster_size:{len(nodes)}"))

    def command_calls(self) -> dict[str, int]:
        """How often the server has executed each command, by its own count."""
        lines = self.ask("INFO", "commandstats").splitlines()
        stats = (line.removeprefix("cmdstat_").split(":calls=") for line in lines if line.startswith("cmdstat_"))
        return {name: int(rest.partition(",")[0]) for name, rest in stats}


@contextmanager
def run_redis(*options: str, port: int | None = None, sentinel: bool = False) -> Iterator[RedisServer]:
    """Run a server on a free port, without persistence, until the block ends."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        unix_socket = f"{folder}/redis.sock"
        command = ["redis-server"]
        if sentinel:
            configuration = f"{folder}/sentinel.conf"
            Path(configuration).write_text("\n".join(options))
            command += [configuration, "--sentinel"]
            options = ()
        else:
            command += ["--save", "", "--appendonly", "no", "--unixsocket", unix_socket]
        command += ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        server = RedisServer(process, port, unix_socket)
        try:
            until(partial(_answers, server))
            yield server
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def run_redis_cluster() -> Iterator[RedisServer]:
    """Run three primaries that share the slots."""
    with ExitStack() as stack:
        nodes = []
        for _ in range(3):
            bus = free_port()
            # A node's bus listens 10,000 above its port unless it is told otherwise.
            nodes.append(stack.enter_context(run_redis("--cluster-enabled", "yes", "--cluster-port", str(bus))))
            nodes[-1].bus = bus
        bounds = (0, 5461, 10923, 16384)
        for index, node in enumerate(nodes):
            node.ask("CLUSTER", "ADDSLOTSRANGE", str(bounds[index]), str(bounds[index + 1] - 1))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(index + 1))
        for node in nodes[1:]:
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", str(node.port), str(node.bus))
        until(lambda: all(node.knows_all_of(nodes) for node in nodes))
        yield nodes[0]


def _answers(server: RedisServer) -> bool:
    assert server.process.poll() is None, "redis-server ended"
    try:
        return server.ask("PING").startswith(("+PONG", "-NOAUTH"))
    except OSError:
        return False
