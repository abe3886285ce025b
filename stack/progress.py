"""Runs a build's commands and shows how far they are."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from .errors import StackError

_NO_NETWORK = (
    "dial tcp",
    "no such host",
    "connection refused",
    "i/o timeout",
    "TLS handshake timeout",
    "network is unreachable",
    "proxyconnect",
    "module lookup disabled",
)


class Build:
    """One program's build: a log of all that its commands print, and one line that counts.

    Parameters:
        title: What is built.
        minutes: How long it takes from an empty cache.
        log: Where the commands' output is kept.
    """

    def __init__(self, title: str, minutes: float, log: Path) -> None:
        self._title = title
        self._minutes = minutes
        self._log = log
        self._began = time.monotonic()
        self._shown = 0.0
        self._steps = 0
        log.write_text("")

    def run(self, command: Sequence[str | Path], folder: Path, environ: Mapping[str, str]) -> str:
        """Run a command of the build; what it prints on its standard output.

        Raises:
            StackError: It failed.
        """
        lines: list[str] = []
        # Ctrl-C waits until this knows the process that it has to end.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        unmask = partial(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        try:
            with subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                # A group of its own, so that a Ctrl-C ends the compilers too.
                start_new_session=True,
                preexec_fn=unmask,  # noqa: PLW1509 - there is one thread
            ) as process:
                try:
                    unmask()
                    self._read(process, lines)
                except BaseException:
                    _end_group(process)
                    raise
        finally:
            unmask()
        if process.returncode:
            raise StackError(self._why("".join(lines)))
        return "".join(lines)

    def _read(self, process: subprocess.Popen[str], lines: list[str]) -> None:
        """Log a command's output until it ends."""
        with self._log.open("a") as log:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                lines.append(line)
                self._show()
        process.wait()

    def _show(self) -> None:
        self._steps += 1
        now = time.monotonic()
        passed = now - self._began
        if sys.stderr.isatty():
            if now - self._shown > 0.1:  # noqa: PLR2004 - a terminal need not be written faster
                self._shown = now
                sys.stderr.write(
                    f"\r\x1b[Kbuilding {self._title}: {_clock(passed)} {self._expected()}, {self._steps} steps"
                )
                sys.stderr.flush()
        elif now - self._shown > 30:  # noqa: PLR2004 - a line now and then for a log
            self._shown = now
            print(f"building {self._title}: {_clock(passed)} {self._expected()}", file=sys.stderr, flush=True)

    def _expected(self) -> str:
        return f"(about {_clock(self._minutes * 60)} on two cores)"

    def done(self) -> None:
        """Say that it is built."""
        end = "\r\x1b[K" if sys.stderr.isatty() else ""
        print(f"{end}built {self._title} in {_clock(time.monotonic() - self._began)}", file=sys.stderr, flush=True)

    def _why(self, output: str) -> str:
        if any(sign in output for sign in _NO_NETWORK):
            return (
                f"{self._title} cannot be built: its Go modules cannot be downloaded "
                f"(is GOPROXY's server reachable?); see {self._log}"
            )
        last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "no output")
        return f"{self._title} cannot be built: {last[:200]}; see {self._log}"


def _end_group(process: subprocess.Popen[str]) -> None:
    """End a command and all that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
