"""Traffic without an end, for whoever wants to see something: ``python -m examples.load http://application:8000``."""

import argparse
import asyncio
import os
import signal
import sys
import time

import httpx
from websockets.exceptions import WebSocketException

from .demo.traffic import USERS, drive

# Names are looked up anew for each, so that every replica has its share.
ROUND_SECONDS = 20.0
PAUSE_SECONDS = 2.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.load", description="Users at work, until it is ended.")
    parser.add_argument("url", help="the application's address")
    parser.add_argument(
        "--visitors",
        type=_visitors,
        default=os.environ.get("LOAD_VISITORS") or "2",
        help="how many do something at the same time; the variable LOAD_VISITORS (default: %(default)s)",
    )
    return parser.parse_args()


def _visitors(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= USERS:
        raise argparse.ArgumentTypeError(
            f"LOAD_VISITORS or --visitors is {text!r}; allowed is a number from 1 to {USERS}"
        )
    return int(text)


def main() -> None:
    """Drive it, round by round."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        try:
            sent = asyncio.run(drive(arguments.url, ROUND_SECONDS, lambda _passed: None, arguments.visitors))
        except (httpx.HTTPError, WebSocketException, OSError) as error:
            # The application is being started again, say.
            print(f"{arguments.url} does not answer: {type(error).__name__}", flush=True)
            time.sleep(PAUSE_SECONDS)
        else:
            print(f"{sum(sent.values())} requests: {dict(sorted(sent.items()))}", flush=True)


if __name__ == "__main__":
    main()
