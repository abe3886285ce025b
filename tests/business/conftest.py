"""What a test of tasks begins with."""

import pytest

from tests.business.parts import _ai


@pytest.fixture(autouse=True)
def warned_anew():
    _ai._warn_of_missing_secret.cache_clear()
