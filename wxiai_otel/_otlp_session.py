"""The HTTP session of OTLP exporters: OpenTelemetry's variables take precedence over what requests finds elsewhere.

The other side need not be a Collector: a proxy requests long delays, a login page has the status of a success, and a
response may be slow or endless.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, partial
from http import HTTPStatus
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url

from ._otlp_answers import note_body
from ._remote import EXPORT_DELAY_SECONDS, BoundedResponse, export_delay, requested_delay

# Responses of receivers have a few bytes, with a message if items are rejected. Those of proxies are unbounded.
_MAX_BODY = 16_384
_BODY_SECONDS = 2.0
_MAX_SHOWN = 200

_REDIRECTS = range(HTTPStatus.MULTIPLE_CHOICES, HTTPStatus.BAD_REQUEST)

_RETRY_AFTER = "Retry-After"
_PATIENCE_SECONDS = EXPORT_DELAY_SECONDS
# For a request without a timeout of its own: the exporters' default.
_RESPONSE_SECONDS = 10.0


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
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

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
        if (asked := response.raw.headers.getlist(_RETRY_AFTER)) and (delay := requested_delay(asked)) is not None:
            response.headers[_RETRY_AFTER] = str(export_delay(delay, kwargs.get("timeout"), _PATIENCE_SECONDS))
        else:
            response.headers.pop(_RETRY_AFTER, None)
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


class _Adapter(HTTPAdapter):
    """An adapter whose responses are bounded in time and size."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        return _bounded(super().get_connection_with_tls_context(*args, **kwargs))

    def get_connection(self, *args: Any, **kwargs: Any) -> Any:  # of requests before 2.32
        return _bounded(super().get_connection(*args, **kwargs))


def _bounded(pool: Any) -> Any:
    """Have all connections of a pool bound their responses."""
    if not getattr(pool.ConnectionCls, "is_bounded", False):
        pool.ConnectionCls = _bounded_connection(pool.ConnectionCls)
    return pool


@cache
def _bounded_connection(connection: type[Any]) -> type[Any]:
    class Bounded(connection):  # type: ignore[misc] # of urllib3, for HTTP or HTTPS
        is_bounded = True

        def connect(self) -> None:
            self._begin()  # for a proxy's response to CONNECT
            super().connect()

        def getresponse(self) -> Any:
            self._begin()
            return super().getresponse()

        def _begin(self) -> None:
            seconds = self.timeout if isinstance(self.timeout, int | float) else _RESPONSE_SECONDS
            self.response_class = partial(BoundedResponse, deadline=monotonic() + seconds)

    return Bounded


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
