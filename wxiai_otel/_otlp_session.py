"""The HTTP session of OTLP's exporters: OpenTelemetry's variables go before what requests finds elsewhere.

And what answers need not be a Collector: a proxy asks for patience, a page to log in is a success by its status, and a
body may have no end.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from time import monotonic
from typing import Any

import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url

from ._otlp_answers import note_body

# Responses of receivers have a few bytes, with a message if items are rejected. Those of proxies are unbounded.
_MAX_BODY = 16_384
_BODY_SECONDS = 2.0
_MAX_SHOWN = 200

_REDIRECTS = range(HTTPStatus.MULTIPLE_CHOICES, HTTPStatus.BAD_REQUEST)

_RETRY_AFTER = "Retry-After"
# Exporters give up at once where they are asked for more than is left of their time, as if they had been refused.
_PATIENCE_SECONDS = (1.0, 5.0)
_SHARE_OF_TIMEOUT = 0.5


class NoReceiver(requests.RequestException):
    """What has answered takes no OTLP, whatever status it has answered with."""


class OtlpSession(requests.Session):
    """A session that keeps its authorities and its headers.

    Requests lets ``REQUESTS_CA_BUNDLE`` go before the file that a session is told, and writes what ``~/.netrc`` has of
    a host over an ``Authorization`` that is there: with the right authority and the right token all would be refused.
    """

    def __init__(self) -> None:
        super().__init__()
        # Any authentication keeps it from looking into the file.
        self.auth = _as_the_url_says

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """As requests does, but for the authorities."""
        own = self.verify if isinstance(self.verify, str) else verify
        return super().merge_environment_settings(url, proxies, stream, own, cert)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As requests does, but for the body, which is read so far only.

        Raises:
            NoReceiver: The exporters would take the answer for a success.
        """
        response = super().send(request, **{**kwargs, "stream": True, "allow_redirects": False})
        is_whole = _read(response)
        if response.status_code in _REDIRECTS:
            location = response.headers.get("Location", "")[:_MAX_SHOWN]
            raise NoReceiver(f"it redirects to {location!r}, which is not followed: name that as the endpoint")
        if response.ok and response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise NoReceiver("it answers with a page: this is no receiver of OTLP")
        if _RETRY_AFTER in response.headers:
            response.headers[_RETRY_AFTER] = str(_patience(response.headers[_RETRY_AFTER], kwargs.get("timeout")))
        if response.ok and is_whole:
            note_body(response.headers.get("Content-Type", ""), response.content)
        return response


def _read(response: requests.Response) -> bool:
    """Read the body up to the limit. Return whether that is the whole body."""
    is_whole = False
    body = bytearray()
    until = monotonic() + _BODY_SECONDS
    # The status has said what became of it all.
    with suppress(requests.RequestException):
        for byte in response.iter_content(1):
            body += byte
            if len(body) >= _MAX_BODY or monotonic() > until:
                break
        else:
            is_whole = True
    # The connection is kept all the same where the body was read to its end.
    response.close()
    response._content = bytes(body)  # noqa: SLF001 - it would be read again
    return is_whole


def _patience(asked: str, timeout: object) -> float:
    """The seconds after which an exporter tries again: no longer than it has time."""
    least, most = _PATIENCE_SECONDS
    try:
        seconds = float(asked)
    except ValueError:  # a date
        seconds = most
    if isinstance(timeout, int | float):
        most = min(most, timeout * _SHARE_OF_TIMEOUT)
    return min(max(seconds, least), most)


def _as_the_url_says(request: requests.PreparedRequest) -> requests.PreparedRequest:
    named = get_auth_from_url(request.url or "")
    if any(named) and "Authorization" not in request.headers:
        return HTTPBasicAuth(*named)(request)
    return request


def otlp_session(environ: Mapping[str, str] = os.environ) -> OtlpSession | None:
    """One for an exporter; ``None`` where OpenTelemetry is told to load another one."""
    providers = ("OTEL_PYTHON_EXPORTER_OTLP_HTTP_", "_CREDENTIAL_PROVIDER")
    if any(name.startswith(providers[0]) and name.endswith(providers[1]) and environ[name] for name in environ):
        return None
    return OtlpSession()
