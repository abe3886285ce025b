"""The locks of Python, by pip-audit."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stack.errors import StackError

from ._report import Finding, Report

_SERVICES = ("pypi", "osv")


def locks(pip_audit: Path, files: Sequence[Path], options: Sequence[str], report: Report) -> None:
    """Ask about each package of each lock, in the version that is locked.

    Parameters:
        pip_audit: The program.
        files: The locks, the smallest first: it is asked of to see which service answers.
        options: More for the program.
        report: What comes of it.
    """
    service = next((name for name in _SERVICES if _asked(pip_audit, files[0], name, options) is not None), None)
    if service is None:
        names = ", ".join(path.name for path in files)
        report.unreached.append(f"{names}: the advisories of Python packages cannot be reached")
        return
    for path in files:
        packages = _asked(pip_audit, path, service, options)
        if packages is None:
            report.unreached.append(f"{path.name}: {service} has not answered for all of it")
            continue
        found = [
            Finding(f"{package['name']} {package['version']}", one["id"], _said(path, one))
            for package in packages
            for one in package["vulns"]
        ]
        report.findings += found
        if not found:
            report.clean.append(f"{path.name}: {len(packages)} packages ({service})")


def _said(path: Path, advisory: dict[str, Any]) -> str:
    fixed = ", ".join(advisory["fix_versions"]) or "no version"
    return f"{path.name}; {' '.join(advisory.get('aliases', []))}; fixed in {fixed}"


def _asked(pip_audit: Path, path: Path, service: str, options: Sequence[str]) -> list[dict[str, Any]] | None:
    """What it says of each package; ``None`` where it has not been told of all of them, which it takes for a pass."""
    command = [str(pip_audit), "--require-hashes", "--disable-pip", "--progress-spinner=off", "--timeout=10"]
    command += ["--aliases=on", "--desc=off", "--format=json", f"--vulnerability-service={service}", *options]
    try:
        done = subprocess.run(
            [*command, "--requirement", str(path)], capture_output=True, text=True, timeout=600, check=False
        )
    except OSError as error:
        raise StackError(f"{pip_audit} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        return None
    if done.returncode not in (0, 1):
        return None
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return None
    return packages if packages and all("skip_reason" not in package for package in packages) else None
