"""A real SMTP server that keeps what it is sent."""

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.binaries import find
from tests.servers.ports import free_port
from tests.servers.program import listens, program


class Mailpit:
    """A running server."""

    def __init__(self, smtp: int, http: int) -> None:
        self.smtp = smtp
        self.http = http

    def messages(self) -> list[dict]:
        """The mails, the newest first, whole."""
        found = self._get("/api/v1/messages?limit=500")["messages"]
        return [self._get(f"/api/v1/message/{one['ID']}") for one in found]

    def _get(self, path: str) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as response:
            return json.loads(response.read())


@contextmanager
def mailpit(folder: Path, *options: str) -> Iterator[Mailpit]:
    """Serve until the block ends.

    Parameters:
        folder: For its data.
        options: Of mailpit.
    """
    smtp, http = free_port(), free_port()
    command = [
        find("mailpit"),
        f"--smtp=127.0.0.1:{smtp}",
        f"--listen=127.0.0.1:{http}",
        f"--database={folder / 'mails.db'}",
        "--disable-version-check",
        *options,
    ]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MP_")}
    with program(command, lambda: listens(smtp) and listens(http), env=environ, log=folder / "mailpit.log"):
        yield Mailpit(smtp, http)
