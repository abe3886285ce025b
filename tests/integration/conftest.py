"""One stack for all tests that need one. Each test has a job of its own."""

import uuid
from collections.abc import Iterator

import pytest

from benchmarks.detection.platform import write_bridge
from tests.servers.demo import demo
from tests.servers.pipeline import Pipeline
from tests.servers.robots import Robots, robots


@pytest.fixture(scope="session")
def sink() -> Iterator[Robots]:
    """What the stack's bridge tells."""
    with robots() as server:
        yield server


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory, sink) -> Iterator[Pipeline]:
    from stack.running import down, up

    data = tmp_path_factory.mktemp("stack")
    write_bridge(data / "bridge.toml", sink)
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("COLLECTOR_SAMPLING_WAIT", "1s")
        up(data, usual_ports=False)
    yield Pipeline(data)
    down(data)


@pytest.fixture
def job() -> str:
    """A service name that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def traffic(pipeline) -> Iterator[str]:
    """The job of a demo that has had its traffic."""
    name = f"demo-{uuid.uuid4().hex[:12]}"
    with demo(pipeline, name):
        yield name
