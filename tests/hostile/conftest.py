import time

import pytest

from tests.hostile import cases


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if cases.done:
        seconds = time.monotonic() - cases.began
        terminalreporter.write_line(f"hostile input: {cases.done} cases in {seconds:.0f} s")
