"""The committed JSON, and whether it is what the source says."""

import sys
from pathlib import Path

from dashboards.files import FOLDER

from . import BOARDS


def _generated() -> dict[Path, str]:
    return {FOLDER / f"{board.uid}.json": board.to_json() for board in BOARDS}


def generate() -> int:
    """Write it."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in _generated().items():
        path.write_text(text)
    return 0


def check() -> int:
    """The exit status: 1 where a file is not what the source says, or belongs to no dashboard."""
    made = _generated()
    stale = [path.name for path, text in made.items() if not path.exists() or path.read_text() != text]
    stale += [path.name for path in FOLDER.iterdir() if path not in made]
    for name in stale:
        print(f"{name} is not what dashboards/source says: run scripts/dashboards --generate", file=sys.stderr)
    return 1 if stale else 0
