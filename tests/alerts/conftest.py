"""One Prometheus that reads expressions for all tests here."""

from collections.abc import Iterator

import pytest

from tests.alerts.known import OTHERS
from tests.promql import Names
from tests.servers.prometheus import Parser, prometheus


@pytest.fixture(scope="session")
def promql() -> Iterator[Parser]:
    with prometheus() as parser:
        yield parser


@pytest.fixture(scope="session")
def names() -> Names:
    return Names(OTHERS)
