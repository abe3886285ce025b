"""The web process: submits AI tasks to a queue. `python -m tests.queues.web MODULE NUMBER`."""

import importlib
import sys

from . import shop

module, number = sys.argv[1:]
shop.setup_web()
importlib.import_module(f"tests.queues.{module}").send([shop.submitted() for _ in range(int(number))])
