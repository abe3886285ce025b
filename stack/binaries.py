"""Finds each binary: an explicit setting, else PATH when the version fits, else the cache, else a build."""

import os
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

from .cache import cache_folder, kept
from .errors import StackError
from .programs import MANIFEST, OF_BINARY, OTELCOL, Program
from .recipes import make


def find(binary: str) -> Path:
    """A binary of the pipeline, built when there is none.

    Parameters:
        binary: Its name, as ``prometheus`` or ``promtool``.

    Raises:
        StackError: The setting names no program, or it cannot be built.
    """
    program = OF_BINARY[binary]
    variable = f"STACK_{binary.upper().replace('-', '_')}"
    if given := os.environ.get(variable):
        if not os.access(given, os.X_OK) or not Path(given).is_file():
            raise StackError(f"{variable} is {given!r}, which is no program")
        return Path(given).absolute()
    found = shutil.which(binary)
    if found and fits(program, Path(found)):
        return Path(found)
    cache = cache_folder()
    try:
        return kept(cache, program.key, partial(make, program, cache)) / binary
    except OSError as error:
        raise StackError(
            f"{cache} cannot be used for programs ({error.strerror}); set XDG_CACHE_HOME, or {variable}"
        ) from None


def fits(program: Program, path: Path) -> bool:
    """Whether a binary found is of the version wanted and, for the Collector, has the components."""
    if not program.is_version(_output(path, *program.ask)):
        return False
    if program is not OTELCOL:
        return True
    components = _output(path, "components")
    return all(module in components for module in re.findall(r"gomod: (\S+ \S+)", MANIFEST.read_text()))


def _output(path: Path, *arguments: str) -> str:
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout + done.stderr
