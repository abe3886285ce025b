"""The programs that are built with Go, by govulncheck."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stack.errors import StackError

from ._report import Finding, Report


def binaries(govulncheck: Path, database: str, paths: Mapping[str, Path], report: Report) -> None:
    """Ask about each module that a binary has been built of.

    Parameters:
        govulncheck: The program.
        database: Address of the advisories, as ``https://vuln.go.dev`` or ``file:///…``.
        paths: The binaries, by name and version.
        report: What comes of it.
    """
    if (why := _unreachable(database)) is not None:
        report.unreached.append(f"{', '.join(paths)}: the advisories of Go cannot be reached ({why})")
        return
    for of, path in paths.items():
        found = _findings(of, path, list(_told(govulncheck, database, path)))
        report.findings += found
        if not found:
            report.clean.append(of)


def _unreachable(database: str) -> str | None:
    try:
        urllib.request.urlopen(f"{database.rstrip('/')}/index/db.json", timeout=10).close()  # noqa: S310 - as it is told
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    return None


def _told(govulncheck: Path, database: str, path: Path) -> Iterator[dict[str, Any]]:
    command = [str(govulncheck), "-db", database, "-mode", "binary", "-format", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise StackError(f"govulncheck: {(done.stderr.strip() or 'it failed').splitlines()[-1]}")
    decoder, at = json.JSONDecoder(), 0
    text = done.stdout.strip()
    while at < len(text):
        message, at = decoder.raw_decode(text, at)
        yield message
        while at < len(text) and text[at].isspace():
            at += 1


def _findings(of: str, path: Path, told: list[dict[str, Any]]) -> list[Finding]:
    advisories = {message["osv"]["id"]: message["osv"] for message in told if "osv" in message}
    modules: dict[str, dict[str, str]] = {}
    for finding in (message["finding"] for message in told if "finding" in message):
        module = finding["trace"][0]["module"]
        modules.setdefault(finding["osv"], {})[module] = finding.get("fixed_version", "no version")
    program = path.read_bytes()
    return [
        Finding(of, id_, f"{advisories[id_].get('summary', '')}; fixed in {_versions(fixed)}")
        for id_, fixed in sorted(modules.items())
        if _is_linked(program, advisories[id_], fixed)
    ]


def _versions(fixed: Mapping[str, str]) -> str:
    return ", ".join(f"{module} {version}" for module, version in fixed.items())


def _is_linked(program: bytes, advisory: dict[str, Any], modules: Mapping[str, str]) -> bool:
    """Whether any function of the packages that it is about is in the program.

    Of programs without symbols govulncheck tells of each module that they were built of, whatever was taken from it.
    The names of functions are there for stack traces all the same.
    """
    for affected in advisory["affected"]:
        if affected["package"]["name"] not in modules:
            continue
        imports = affected.get("ecosystem_specific", {}).get("imports")
        if not imports or any(f"\0{one['path']}.".encode() in program for one in imports):
            return True
    return False
