"""What a forked child finds."""

import faulthandler
import os
import traceback
from collections.abc import Callable


def forked(find: Callable[[], object]) -> str:
    """Call a function in a forked child.

    Returns:
        The text of what it returns, or the child's traceback if it raises or hangs.
    """
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        faulthandler.dump_traceback_later(60, exit=True, file=writing)
        try:
            os.write(writing, str(find()).encode())
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(child, 0)
    return text
