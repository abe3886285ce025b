import pytest

from tests.hostile import cases


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if cases.done:
        terminalreporter.write_line(f"hostile input: {cases.done} cases")
