"""One stack for all tests that need one. Each test has a job of its own."""

import uuid
from collections.abc import Iterator

import pytest

from tests.servers.demo import demo
from tests.servers.pipeline import Pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory) -> Iterator[Pipeline]:
    from stack.running import down, up

    data = tmp_path_factory.mktemp("stack")
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
