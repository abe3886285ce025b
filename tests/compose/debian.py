"""A Debian image made of the packages that this machine has: nothing is downloaded."""

import re
import subprocess
from pathlib import Path
from tarfile import TarFile

from stack.programs import ROOT
from tests.compose.daemon import add_link

# What nothing reads.
_LEFT_OUT = (
    *("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/lintian/", "/usr/share/perl/"),
    # PostgreSQL's compiler of queries, which it does without.
    *("/usr/lib/llvm", "/usr/lib/x86_64-linux-gnu/libLLVM", "/usr/lib/postgresql/15/lib/bitcode/"),
)
_MERGED = ("bin", "sbin", "lib", "lib64")


def add_packages(archive: TarFile, packages: tuple[str, ...]) -> None:
    """Add some packages and all that they depend on."""
    names = sorted(_closure(packages))
    listed = subprocess.run(["dpkg-query", "--listfiles", *names], check=True, capture_output=True, text=True).stdout
    paths = {_merged(line) for line in listed.splitlines() if line.startswith("/") and line != "/."}
    for name in _MERGED:
        add_link(archive, name, f"usr/{name}")
    for path in sorted(paths):
        # pip may install here as it does into the official image's Python.
        is_left_out = path.startswith(_LEFT_OUT) or path.endswith("/EXTERNALLY-MANAGED")
        if (Path(path).is_symlink() or Path(path).exists()) and not is_left_out:
            archive.add(path, recursive=False)


def python_of_debian() -> str:
    """The version, as 3.11, of Debian's Python, whatever runs the tests."""
    command = ["/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def pip_folder() -> Path:
    """A pip, which Debian's Python may have none of: that of the environment that has uv."""
    (found,) = ROOT.glob(".venv-uv/lib/python*/site-packages/pip")
    return found


def _closure(packages: tuple[str, ...]) -> set[str]:
    installed = subprocess.run(
        [
            "dpkg-query",
            "--show",
            "--showformat=${binary:Package}\t${Provides}\t${Pre-Depends}, ${Depends}\t${Status}\n",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    needs: dict[str, list[str]] = {}
    provided: dict[str, str] = {}
    for line in installed.splitlines():
        name, provides, depends, status = line.split("\t")
        if not status.endswith(" installed"):
            continue
        short = name.partition(":")[0]
        needs[short] = re.findall(r"(?:^|[,|])\s*([a-z0-9.+-]+)", depends)
        provided.update(dict.fromkeys(re.findall(r"(?:^|,)\s*([a-z0-9.+-]+)", provides), short))
    found: set[str] = set()
    wanted = list(packages)
    while wanted:
        name = wanted.pop()
        name = name if name in needs else provided.get(name, "")
        # Of alternatives only what is installed; so one that is not is not missing.
        if name and name not in found:
            found.add(name)
            wanted += needs[name]
    return found


def _merged(path: str) -> str:
    first = path.split("/")[1]
    return f"/usr{path}" if first in _MERGED else path
