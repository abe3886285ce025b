"""The HTTP session of OTLP's exporters: OpenTelemetry's variables go before what requests finds elsewhere."""

import os
from collections.abc import Mapping
from typing import Any

import requests


class OtlpSession(requests.Session):
    """A session that keeps its authorities and its headers.

    Requests lets ``REQUESTS_CA_BUNDLE`` go before the file that a session is told, and writes what ``~/.netrc`` has of
    a host over an ``Authorization`` that is there: with the right authority and the right token all would be refused.
    """

    def __init__(self) -> None:
        super().__init__()
        # Any authentication keeps it from looking into the file.
        self.auth = _as_it_is

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """As requests does, but for the authorities."""
        own = self.verify if isinstance(self.verify, str) else verify
        return super().merge_environment_settings(url, proxies, stream, own, cert)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def otlp_session(environ: Mapping[str, str] = os.environ) -> OtlpSession | None:
    """One for an exporter; ``None`` where OpenTelemetry is told to load another one."""
    providers = ("OTEL_PYTHON_EXPORTER_OTLP_HTTP_", "_CREDENTIAL_PROVIDER")
    if any(name.startswith(providers[0]) and name.endswith(providers[1]) and environ[name] for name in environ):
        return None
    return OtlpSession()
