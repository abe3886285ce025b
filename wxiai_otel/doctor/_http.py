"""Asking an address by HTTP, and what its clock says."""

import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address has answered.

    Parameters:
        status: Of HTTP.
        body: Its text.
        skew: Seconds that its clock is ahead of ours; ``None`` where it does not say.
    """

    status: int
    body: str
    skew: float | None


def get(url: str, headers: dict[str, str] | None = None) -> Answer:
    """Ask an address, as it is configured: through a proxy where the environment has one.

    Raises:
        OSError: It does not answer.
        ValueError: It is no address.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError("allowed is a URL with http:// or https://")
    request = urllib.request.Request(url, headers=headers or {})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310 - checked above
            return Answer(response.status, response.read().decode("utf-8", "replace"), _skew(response.headers["date"]))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode("utf-8", "replace"), _skew(error.headers["date"]))


def why(error: Exception) -> str:
    """Why an address does not answer, in a few words."""
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason)


def _skew(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        # A date of HTTP has whole seconds: half of one is the best guess of the rest.
        return parsedate_to_datetime(date).timestamp() + 0.5 - time.time()
    except ValueError:
        return None
