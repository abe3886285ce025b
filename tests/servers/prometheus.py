"""A Prometheus without data, which knows its own language."""

import json
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stack.binaries import find
from tests.servers.ports import free_port
from tests.servers.program import answers, program

Tree = dict[str, Any]


class Parser:
    """Asks a Prometheus what an expression means."""

    def __init__(self, url: str) -> None:
        self._url = url

    def parse(self, expression: str) -> Tree:
        """The syntax tree.

        Raises:
            ValueError: It is no PromQL.
        """
        data = urllib.parse.urlencode({"query": expression}).encode()
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/parse_query", data, timeout=20) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{expression}: {json.load(error)['error']}") from None


@contextmanager
def prometheus() -> Iterator[Parser]:
    """Run one on a free port until the block ends."""
    with tempfile.TemporaryDirectory(prefix="prometheus-") as folder:
        config = Path(folder) / "prometheus.yml"
        config.write_text("{}")
        port = free_port()
        command = [
            find("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        url = f"http://127.0.0.1:{port}"
        with program(command, lambda: answers(f"{url}/-/ready"), log=Path(folder) / "log"):
            yield Parser(url)
