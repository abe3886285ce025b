"""The pytest plugin: the fixture ``telemetry``, and telemetry in memory for whatever is set up under pytest."""

from collections.abc import Iterator

import pytest

from .. import _runtime, _under_test
from ._telemetry import TelemetryUnderTest, collector

_LIVE = "wxiai_otel_live"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what may be configured."""
    parser.addini(
        _LIVE,
        "Set telemetry up under pytest as anywhere else, with its threads and exports; only tests with the fixture "
        "telemetry have it in memory.",
        type="bool",
        default=False,
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before any conftest.py, which may import an application that is set up at module level."""
    if not early_config.getini(_LIVE):
        _under_test.switch(collector)


@pytest.fixture
def telemetry() -> Iterator[TelemetryUnderTest]:
    """What is counted and traced since the test has begun."""
    was_on = _under_test.is_on()
    _under_test.switch(collector)
    seen = None
    try:
        seen = TelemetryUnderTest()
        yield seen
    finally:
        if seen is not None:
            seen.end()
        if not was_on:
            _under_test.switch(None)
            if seen is not None and _runtime._runtime is not None:  # noqa: SLF001 - the plugin is this package's
                _runtime._runtime.shutdown()  # noqa: SLF001 - a later test is to have its own, which works as ever
