"""One HTTP POST that ends when its time is over.

From the standard library: an application needs nothing more to send alerts, and it logs no URL. A robot's URL is its
password, and HTTP clients log URLs.
"""

import http.client
import json
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from .._remote import BoundedResponse, requested_delay
from .._version import VERSION
from ._errors import NotDelivered
from ._secret import Secret
from ._text import one_line

_MAX_ANSWER = 64 * 1024
_ACCEPTED = range(200, 300)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side has said.

    Parameters:
        status: Of HTTP.
        body: Its beginning.
        after: The delay in seconds that its ``Retry-After`` requests.
    """

    status: int
    body: bytes
    after: float | None

    def json(self) -> dict[str, Any] | None:
        """The object that it has said, or None where it has said something else."""
        try:
            said = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return said if isinstance(said, dict) else None

    def refused(self) -> NotDelivered:
        """Why a status that is not of success is no delivery."""
        passes = self.status in {408, 425, 429} or self.status >= http.client.INTERNAL_SERVER_ERROR
        return NotDelivered(f"HTTP {self.status}", passes=passes, limited=self.status == 429, after=self.after)  # noqa: PLR2004


def post(url: Secret, body: bytes, headers: Mapping[str, str | Secret], seconds: float) -> Answer:
    """Send a body; redirects are not followed.

    Parameters:
        url: An http:// or https:// URL.
        body: JSON.
        headers: Besides the content type.
        seconds: For all of it.

    Raises:
        NotDelivered: There was no answer.
    """
    parts = urlsplit(url.reveal())
    revealed = {name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()}
    all_headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": f"wxiai-otel/{VERSION}", **revealed}
    deadline = time.monotonic() + seconds
    try:
        connection, target = _connection(parts, seconds, all_headers)
        # For a proxy's response too.
        connection.response_class = partial(BoundedResponse, deadline=deadline)  # type: ignore[assignment]
        try:
            return _exchange(connection, target, body, all_headers, deadline)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Without the cause: what it holds may be the URL.
        raise NotDelivered(
            why(error, seconds), passes=not isinstance(error, ValueError | ssl.SSLCertVerificationError)
        ) from None


def deliver(url: Secret, body: bytes, headers: Mapping[str, str | Secret], seconds: float) -> None:
    """`post` a body to whoever says by the status alone whether it was accepted.

    Raises:
        NotDelivered: There was no answer, or one that is not of success.
    """
    answer = post(url, body, headers, seconds)
    if answer.status not in _ACCEPTED:
        raise answer.refused()


def _exchange(
    connection: http.client.HTTPConnection, target: str, body: bytes, headers: dict[str, str], deadline: float
) -> Answer:
    connection.connect()
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.sock.settimeout(left)
    connection.request("POST", target, body, headers)
    with connection.getresponse() as response:
        delay = requested_delay(response.headers.get_all("Retry-After", ()))
        return Answer(response.status, response.read(_MAX_ANSWER), delay)


def why(error: Exception, seconds: float) -> str:
    """What an error of the network says that is no secret."""
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:.1f} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {one_line(error.verify_message, 200)}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {one_line(error.reason or type(error).__name__, 200)}"
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror, 200)
    return type(error).__name__


def _connection(parts: SplitResult, seconds: float, headers: dict[str, str]) -> tuple[http.client.HTTPConnection, str]:
    """A connection, by way of the proxy that the environment names, and what to ask it for."""
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    proxy = None if proxy_bypass(host) else getproxies().get(parts.scheme)
    if not proxy:
        return make(host, port, timeout=seconds), target
    by = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    login = f"{unquote(by.username)}:{unquote(by.password or '')}" if by.username else ""
    authorization = {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
    connection = make(by.hostname or "", by.port or 80, timeout=seconds)
    if parts.scheme == "https":
        connection.set_tunnel(host, port, authorization)
        return connection, target
    headers.update(authorization, Host=parts.netloc.rpartition("@")[2])
    return connection, f"http://{headers['Host']}{target}"
