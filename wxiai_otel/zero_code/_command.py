"""The command ``wxiai-otel run``: the same process goes on as another command."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..settings import load_settings

# Puts a folder with a `sitecustomize` before ours, which unlike ddtrace's does not look for others.
_ALONE = "opentelemetry-instrument"
FOLDER = str(Path(__file__).parent / "path")


class CommandNotFound(Exception):
    """There is no such command."""


class WrongOrder(Exception):
    """The command would start Python without our `sitecustomize`."""


def run(command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Become a command whose FastAPI application is set up. Does not return.

    Parameters:
        command: With its arguments.
        environ: Its environment.

    Raises:
        WrongOrder: It is opentelemetry-instrument.
        CommandNotFound: It is neither in this Python's environment nor on the path.
        SettingError: A setting in the environment is not allowed; better said here than by each worker.
    """
    if Path(command[0]).name == _ALONE:
        raise WrongOrder(f"{_ALONE} runs no other's start, so that it goes first: {_ALONE} wxiai-otel run -- uvicorn …")
    load_settings({}, environ)
    # First the environment that this package is installed in: nowhere else is it sure to be found.
    found = shutil.which(command[0], path=str(Path(sys.executable).parent)) or shutil.which(command[0])
    if found is None:
        raise CommandNotFound(f"{command[0]}: not found")
    path = python_path(environ.get("PYTHONPATH", ""))
    os.execve(found, [found, *command[1:]], {**environ, "PYTHONPATH": path})  # noqa: S606 - as given, without a shell's reading


def python_path(given: str) -> str:
    """A PYTHONPATH with the folder of `sitecustomize` before everything else."""
    others = [folder for folder in given.split(os.pathsep) if folder and folder != FOLDER]
    return os.pathsep.join([FOLDER, *others])
