"""Source distributions of the installed versions, downloaded once and unpacked into the cache."""

import importlib
import os
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

from stack.cache import cache_folder, kept

from .errors import Unreachable, UpstreamError
from .suites import Suite

ROOT = Path(__file__).parents[1]
# This interpreter has pip. Environments created by uv have none.
_PIP = ROOT / ".venv-uv" / "bin" / "python"
_UNREACHABLE = ("Connection", "timed out", "Name or service not known", "No matching distribution", "ProxyError")


def cache() -> Path:
    """Return the cache directory for sources and for outcomes without telemetry."""
    return cache_folder().parent / "upstream"


def source(suite: Suite) -> Path:
    """Return the unpacked source distribution of the installed version, without its package. See `add_installed`.

    Raises:
        Unreachable: The package index does not answer.
        UpstreamError: The distribution lacks the suite's tests.
    """
    key = f"{suite.distribution}-{version(suite.distribution)}-{_interpreter()}"
    folder = kept(cache() / "sources", key, lambda part: _fill(suite, part))
    missing = [path for path in (*suite.tests, *suite.quick) if not (folder / path).exists()]
    if missing:
        raise UpstreamError(f"{key} has no {', '.join(missing)}")
    return folder


def _interpreter() -> str:
    return f"py{sys.version_info.major}.{sys.version_info.minor}"


def _fill(suite: Suite, folder: Path) -> None:
    wanted = f"{suite.distribution}=={version(suite.distribution)}"
    download = folder / "download"
    # Only this package from source; its build requirements may be wheels. SQLAlchemy would compile its extensions.
    done = subprocess.run(
        [_PIP, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", suite.distribution, "-d", download, wanted],
        env={**os.environ, "DISABLE_SQLALCHEMY_CEXT": "1", "PIP_RETRIES": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "pip failed"
        kind = Unreachable if any(sign in done.stderr for sign in _UNREACHABLE) else UpstreamError
        raise kind(f"cannot download {wanted}: {reason}")
    (archive,) = download.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    shutil.rmtree(download)
    (unpacked,) = folder.iterdir()
    for path in unpacked.iterdir():
        path.rename(folder / path.name)
    unpacked.rmdir()
    shutil.rmtree(folder / suite.package)


def add_installed(suite: Suite, tree: Path) -> None:
    """Put the installed package where the source distribution has its own, for tests that expect it beside them.

    Not in the cache, which environments share and outlive.

    Parameters:
        suite: The suite.
        tree: A copy of what `source` returns.
    """
    package = tree / suite.package
    installed = importlib.import_module(package.name).__file__
    package.symlink_to(Path(str(installed)).parent)
