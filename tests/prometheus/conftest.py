"""What the tests of workers share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.prometheus.internals import SharedDirectory


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[SharedDirectory]:
    """The shared directory of the workers."""
    directory = SharedDirectory(tmp_path / "shared")
    yield directory
    directory.close()
