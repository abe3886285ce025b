"""Run it: ``scripts/audit --help``."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from stack.binaries import find
from stack.cache import cache_folder
from stack.errors import StackError
from stack.go import find_go
from stack.programs import ALERTMANAGER, GOVULNCHECK, JAEGER, MAILPIT, OTELCOL, PROMETHEUS, ROOT

from ._go import binaries
from ._python import locks
from ._report import Report, accepted

_SHIPPED = (OTELCOL, PROMETHEUS, ALERTMANAGER, JAEGER, MAILPIT)
FOUND, FAILED, UNREACHED = 1, 2, 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/audit",
        description="Known vulnerabilities of what is shipped. Ends with 1 where there is one that is not in "
        "stack/audit/accepted.toml, else with 3 where not all of it could be asked about.",
    )
    parser.add_argument("--pip-audit", type=Path, default=ROOT / ".venv-audit" / "bin" / "pip-audit", metavar="PROGRAM")
    parser.add_argument("--osv-url", help="of the advisories of Python packages, where it is not the usual one")
    parser.add_argument(
        "--go-db",
        default=os.environ.get("GOVULNDB", "https://vuln.go.dev"),
        help="also file:///… (default: %(default)s)",
    )
    parser.add_argument("--only", choices=("python", "go"), help="one of the two")
    return parser.parse_args()


def _audited(arguments: argparse.Namespace) -> Report:
    report = Report()
    if arguments.only != "go":
        # Only tests have the oldest versions, and have them for being old.
        locked = [path for path in (ROOT / "requirements").glob("*.txt") if path.name != "oldest.txt"]
        files = sorted(locked, key=lambda path: path.stat().st_size)
        options = [f"--osv-url={arguments.osv_url}"] if arguments.osv_url else []
        locks(arguments.pip_audit, files, options, report)
    if arguments.only != "python":
        paths = {f"{binary} {one.version}": find(binary) for one in _SHIPPED for binary in one.binaries}
        binaries(find(GOVULNCHECK.name), arguments.go_db, paths, report)
        _say_what_is_not_verified()
    return report


def _say_what_is_not_verified() -> None:
    names = ("GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE")
    go = find_go(cache_folder())
    values = subprocess.run([go, "env", *names], capture_output=True, text=True, check=True).stdout.splitlines()
    if values[0] == "off" or any(values[1:]):
        told = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True) if value)
        print(f"not verified: this machine's Go does not ask the checksum database for all modules ({told})")


def main() -> int:
    """Run it; the exit status."""
    try:
        report = _audited(_arguments())
    except StackError as error:
        print(f"audit: {error}", file=sys.stderr)
        return FAILED
    known = accepted()
    new = [finding for finding in report.findings if (finding.of, finding.id) not in known]
    for of in report.clean:
        print(f"no finding: {of}")
    for finding in new:
        print(f"FINDING: {finding.of}: {finding.id}: {finding.said}")
    print(f"{len(new)} findings, {len(report.findings) - len(new)} that are accepted")
    for text in report.unreached:
        print(f"NOT AUDITED: {text}")
    return FOUND if new else UNREACHED if report.unreached else 0


if __name__ == "__main__":
    sys.exit(main())
