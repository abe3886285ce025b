"""docs/detection.md."""

import re
from collections.abc import Sequence
from pathlib import Path

from .outage import Outage
from .run import Result
from .table import header, row

PAGE = Path(__file__).parents[2] / "docs" / "detection.md"


def write(results: Sequence[Result]) -> None:
    """Put a table in the place of the last one."""
    put(PAGE, "faults", "\n".join((header(), *(row(result) for result in results))))


def write_outage(found: Outage) -> None:
    put(PAGE, "outage", found.text())


def put(file: Path, name: str, text: str) -> None:
    """Put a text between the marks of a name."""
    page = file.read_text()
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise RuntimeError(f"{file} has no place for {name}")
    file.write_text(pattern.sub(lambda _: f"{begin}{text}\n{end}", page))
