"""A headless Chromium, steered by its DevTools protocol: looks at pages, and takes pictures of them."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_START_SECONDS = 60


class BrowserError(Exception):
    """There is no browser, or it does not do as it is told; the message says why."""


@contextmanager
def browser() -> Iterator["Page"]:
    """A page of a browser of our own.

    Raises:
        BrowserError: There is no browser.
    """
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        raise BrowserError("there is no Chromium: apt-get install chromium fonts-wqy-microhei")
    with tempfile.TemporaryDirectory(prefix="wxiai-preview-", ignore_cleanup_errors=True) as folder:
        command = [
            program,
            "--headless=new",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            # Nothing but our own page is shown.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "about:blank",
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_address(process, Path(folder)), max_size=None, proxy=None) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: "subprocess.Popen[bytes]", folder: Path) -> str:
    """Where the browser listens: it writes the port and a path."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        lines = (folder / "DevToolsActivePort").read_text().split() if (folder / "DevToolsActivePort").exists() else []
        if len(lines) == 2:  # noqa: PLR2004 - the port and the path
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise BrowserError("Chromium does not start")


class _LeftError(BrowserError):
    """A page was left while a script ran in it."""


class Page:
    """One page.

    Parameters:
        socket: The connection to the browser.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session: str | None = None
        target = self._do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def _do(self, method: str, **parameters: object) -> Any:
        number = next(self._numbers)
        request = {"id": number, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        self._socket.send(json.dumps(request))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                if "error" in answer:
                    message = answer["error"]["message"]
                    raise (_LeftError if "navigated or closed" in message else BrowserError)(f"{method}: {message}")
                return answer["result"]

    def size(self, width: int, height: int, scale: float = 1) -> None:
        """Make the page so large, in its own pixels; a picture has ``scale`` times as many."""
        self._do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def open(self, url: str) -> None:
        """Go to an address."""
        self._do("Page.navigate", url=url)

    def ask(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self._do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(answer["exceptionDetails"]["exception"].get("description", script))
        return answer["result"].get("value")

    def until(self, script: str, seconds: float = 60) -> Any:
        """Wait until an expression is true; its value.

        Raises:
            BrowserError: It does not become true.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # The page before it may still be there, and be left meanwhile.
            with suppress(_LeftError):
                if value := self.ask(script):
                    return value
            time.sleep(0.1)
        raise BrowserError(f"not so after {seconds:.0f} s: {script}")

    def picture(self) -> bytes:
        """The page as PNG."""
        taken = self._do("Page.captureScreenshot", format="png", captureBeyondViewport=False, optimizeForSpeed=False)
        return base64.b64decode(taken["data"])
