"""docker-compose.yml under way: what is asked of it from outside and from inside."""

import json
import urllib.parse
from pathlib import Path

from stack.binaries import find
from stack.programs import ROOT
from tests.compose.daemon import Docker, run

GET = "import sys, urllib.request as r; sys.stdout.buffer.write(r.urlopen(sys.argv[1], timeout=20).read())"


class Project:
    """A compose project.

    Parameters:
        docker: Where it runs.
        override: A file that goes over docker-compose.yml.
        environ: What .env would say.
    """

    def __init__(self, docker: Docker, override: Path, environ: dict[str, str]) -> None:
        self.docker = docker
        self._environ = {**docker.environ, **environ}
        self._files = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(override), "--profile", "example")

    def __call__(self, *arguments: str, environ: dict[str, str] | None = None) -> str:
        """Run a command of compose; what it has printed."""
        return run(find("compose"), *self._files, *arguments, env={**self._environ, **(environ or {})}, cwd=ROOT)

    def containers(self) -> dict[str, dict]:
        """What Docker knows of each container, by its name."""
        ids = self("ps", "--all", "--quiet").split()
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
