"""A real bridge, in a process of its own or, where nothing depends on that, in a thread of this one."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from prometheus_client.parser import text_string_to_metric_families

from stack.programs import ROOT
from tests.scrape import Scrape
from tests.servers.ports import free_port
from tests.servers.program import answers, program
from wxiai_otel.alerting.bridge import _app, _config, _late, _serve

BRIDGE_TOKEN = "the-token-of-the-bridge-0123456789"


class Bridge:
    """A running bridge."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, body: bytes = b"", token: str | None = BRIDGE_TOKEN, **headers: str):
        """(status, text, headers) of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
            connection.request(
                method, path, body, {**authorization, **headers}, encode_chunked=not isinstance(body, bytes)
            )
            response = connection.getresponse()
            return response.status, response.read().decode(), response.headers
        finally:
            connection.close()

    def notify(self, channel: str, payload: object, **headers: str) -> tuple[int, dict]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        status, text, _ = self.ask("POST", f"/notify/{channel}", body, **headers)
        return status, json.loads(text)

    def metrics(self) -> Scrape:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as response:
            text = response.read().decode()
        return Scrape(sample for family in text_string_to_metric_families(text) for sample in family.samples)


class BridgeProcess(Bridge):
    """One in a process of its own."""

    def __init__(self, process: subprocess.Popen, port: int, log: Path) -> None:
        super().__init__(port)
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()


@contextmanager
def bridge_here(
    environ: dict[str, str], runbooks: Path = ROOT / "alerts" / "runbooks", late: float = _late.LATE_SECONDS
) -> Iterator[Bridge]:
    """Serve in a thread until the block ends.

    Parameters:
        environ: Its configuration.
        runbooks: The folder of the runbooks.
        late: Seconds after which it tells what Alertmanager tries no more.
    """
    app = _app.Bridge(_config.load(None, {"WXIAI_BRIDGE_TOKEN": BRIDGE_TOKEN, **environ}), runbooks, late)
    server = uvicorn.Server(_serve.uvicorn_config(app, "127.0.0.1", port := free_port()))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield Bridge(port)
    finally:
        app.end()
        server.should_exit = True
        thread.join()


@contextmanager
def bridge(folder: Path, environ: dict[str, str], *options: str, port: int | None = None) -> Iterator[BridgeProcess]:
    """Serve in a process until the block ends.

    Parameters:
        folder: For its log.
        environ: Its configuration.
        options: Of the command.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "wxiai_otel.cli", "bridge", "--port", str(port), *options]
    log = folder / "bridge.log"
    env = {**os.environ, "WXIAI_BRIDGE_TOKEN": BRIDGE_TOKEN, **environ}
    with program(command, lambda: answers(f"http://127.0.0.1:{port}/health"), env=env, log=log, seconds=60) as process:
        yield BridgeProcess(process, port, log)
