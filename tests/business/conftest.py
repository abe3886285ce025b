"""What a test of tasks begins with."""

import pytest

from tests.business.internals import _ai


@pytest.fixture(autouse=True)
def warned_anew():
    _ai._warn_of_missing_secret.cache_clear()
