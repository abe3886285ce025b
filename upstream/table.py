"""The table of expected differences, and the page that shows it."""

import tomllib
from pathlib import Path

from .outcomes import Expected

TABLE = Path(__file__).parent / "differences.toml"
_KEYS = {"suite", "tests", "reason", "variants"}


def expected(path: Path = TABLE) -> list[Expected]:
    """Read the table.

    Raises:
        ValueError: An entry has no reason or an unknown key.
    """
    entries = []
    for entry in tomllib.loads(path.read_text()).get("difference", []):
        if not entry.get("reason") or not {"suite", "tests"} <= entry.keys() <= _KEYS:
            raise ValueError(f"{path.name}: expected suite, tests, reason and optional variants, got {entry}")
        entries.append(Expected(entry["suite"], entry["tests"], entry["reason"], tuple(entry.get("variants", ()))))
    return entries


def rows() -> list[str]:
    """Return the table's rows in Markdown, entries of one reason together."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for entry in expected():
        variants = f" ({', '.join(entry.variants)})" if entry.variants else ""
        by_reason.setdefault((entry.suite, entry.reason), []).append(f"`{entry.tests}`{variants}")
    return [f"| {suite} | {'<br>'.join(tests)} | {reason} |" for (suite, reason), tests in by_reason.items()]
