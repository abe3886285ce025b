"""Faults that are switched on and off from another process: a file each, and one that says when it first failed."""

import os
import time
from contextlib import suppress
from pathlib import Path

FOLDER = "DETECTION_SWITCHES"


class Switches:
    """The switches in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of_environment(cls) -> "Switches":
        return cls(Path(os.environ[FOLDER]))

    def is_on(self, name: str) -> bool:
        return (self._folder / name).exists()

    def on(self, name: str) -> None:
        self._folder.mkdir(exist_ok=True)
        (self._folder / f"{name}.failed").unlink(missing_ok=True)
        (self._folder / name).touch()

    def off(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def failed(self, name: str) -> None:
        """Something has failed by it just now; only the first time is kept."""
        part = self._folder / f"{name}.{os.getpid()}.part"
        part.write_text(repr(time.time()))
        with suppress(FileExistsError):
            os.link(part, self._folder / f"{name}.failed")
        part.unlink()

    def first_failure(self, name: str) -> float | None:
        try:
            return float((self._folder / f"{name}.failed").read_text())
        except FileNotFoundError:
            return None
