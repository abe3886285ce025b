"""Write the dashboards' JSON, or with ``--check`` say which of it is not up to date."""

import sys
from pathlib import Path

from dashboards.files import FOLDER

from . import BOARDS


def generated() -> dict[Path, str]:
    """What each file should hold."""
    return {FOLDER / f"{board.uid}.json": board.to_json() for board in BOARDS}


def stale() -> list[str]:
    """The files that are not what the source says."""
    made = generated()
    found = [path.name for path, text in made.items() if not path.exists() or path.read_text() != text]
    return found + [path.name for path in FOLDER.glob("*.json") if path not in made]


def main() -> int:
    """The exit status: 1 where what is committed is not what the source says."""
    if "--check" in sys.argv:
        for name in stale():
            print(f"{name} is not what dashboards/source says: run scripts/dashboards --generate", file=sys.stderr)
        return 1 if stale() else 0
    for path, text in generated().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
