"""How many cases there are: 2,000 in all, or as `scripts/fuzz` says. Each property has its share of them."""

import os
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

CASES = int(os.environ.get("FUZZ_CASES", "2000"))
WHOLE = 132  # the sum of all shares

done = 0
began = time.monotonic()


def cases(share: int) -> Callable[[Any], Any]:
    """Decorate a property: what share of the cases it has, of `WHOLE`."""
    # What is found is repeated by the seed that scripts/fuzz prints: nothing is written.
    return settings(
        max_examples=-(-CASES * share // WHOLE),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def begin() -> None:
    """A case begins."""
    global done  # noqa: PLW0603 - for the summary
    done += 1
