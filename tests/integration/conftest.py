"""One stack for all tests that need one, in whichever process. Each test has a job of its own."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration import kept
from tests.servers.pipeline import Pipeline
from tests.servers.shared import run_folder, shared


@dataclass(frozen=True, slots=True)
class Traffic:
    """A demo that has had its traffic.

    Parameters:
        job: Its name.
        url: Where it still answers.
        at: When all of it was in Prometheus, in seconds of the epoch.
    """

    job: str
    url: str
    at: float


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """The folder of all processes of this run."""
    return run_folder(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def pipeline(run) -> Iterator[Pipeline]:
    with shared(run, kept.STACK, 120) as data:
        yield Pipeline(Path(data))


@pytest.fixture(scope="session")
def other_pipeline(run) -> Iterator[Pipeline]:
    """A stack with VictoriaMetrics, in which applications decide which traces are kept."""
    with shared(run, kept.OTHER_STACK, 120) as data:
        yield Pipeline(Path(data))


@pytest.fixture(scope="session")
def hostile_pipeline(run) -> Iterator[Pipeline]:
    """A stack for malformed and huge input."""
    with shared(run, kept.HOSTILE_STACK, 120) as data:
        yield Pipeline(Path(data))


@pytest.fixture(scope="session")
def traffic(run, pipeline) -> Iterator[Traffic]:
    with shared(run, kept.TRAFFIC, 240) as found:
        yield Traffic(**found)


@pytest.fixture
def job() -> str:
    """A service name that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}"
