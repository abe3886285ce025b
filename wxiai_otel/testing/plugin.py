"""The pytest plugin: the fixture ``telemetry``, and telemetry in memory for whatever is set up under pytest."""

from collections.abc import Iterator
from contextlib import ExitStack

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
    began = False
    try:
        with ExitStack() as at_end:
            seen = TelemetryUnderTest(at_end)
            began = True
            yield seen
    finally:
        if not was_on:
            _under_test.switch(None)
            if began and _runtime._runtime is not None:  # noqa: SLF001 - the plugin is this package's
                _runtime._runtime.shutdown()  # noqa: SLF001 - a later test is to have its own, which works as ever
