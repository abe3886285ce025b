"""Automatic checks of databases, Redis and AI services."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from .._questions import NotChecked, NothingToAsk, Question
from ._checks import Unhealthy

_SERVER_ERROR = 500


def database(engines: Callable[[], list[Any]], timeout: float) -> str:
    """Query each database that the application has used, over connections of our own.

    Returns:
        ``ok``, with the number of databases that were not checked.

    Raises:
        NothingToAsk: The application has used none.
        NotChecked: Only the application can connect to all of them.
    """
    found = engines()
    if not found:
        raise NothingToAsk
    from ..sql import ping

    unchecked: list[NotChecked] = []
    for engine in found:
        try:
            ping(engine, timeout)
        except NotChecked as reason:
            unchecked.append(reason)
    if len(unchecked) == len(found):
        raise unchecked[0]
    return f"ok; {len(unchecked)} of {len(found)} not checked" if unchecked else "ok"


def redis(instrumentation: Any) -> None:
    """Query the Redis that the application has used, over a connection of our own.

    Raises:
        NothingToAsk: The application has used none.
        NotChecked: Only the application can connect to it.
    """
    if instrumentation is None or not instrumentation.ping():
        raise NothingToAsk


class AIServices:
    """Probes AI services, side by side.

    Parameters:
        probes: By service: an http(s):// or tcp://host:port URL, or a callable.
        timeout: Seconds that all may take.
    """

    def __init__(self, probes: Mapping[str, Any], timeout: float) -> None:
        # A little earlier than the check as a whole is given up, so that it can say which service it was.
        self._timeout = timeout * 0.9
        self._questions = {service: Question(self._probe(probe)) for service, probe in probes.items()}

    def __call__(self) -> None:
        """Probe all.

        Raises:
            NothingToAsk: There are none.
            Unhealthy: Some do not answer; the message names them.
        """
        if not self._questions:
            raise NothingToAsk
        deadline = time.monotonic() + self._timeout
        asked = {service: question.begin(self._timeout) for service, question in self._questions.items()}
        down = []
        for service, answer in asked.items():
            try:
                if answer.result(max(0.0, deadline - time.monotonic())) is False:
                    down.append(service)
            except Exception:  # noqa: BLE001 - however it fails, it is down
                down.append(service)
        if down:
            raise Unhealthy(f"no answer from {', '.join(sorted(down))}")

    def _probe(self, probe: Any) -> Callable[[], Any]:
        if callable(probe):
            return probe  # type: ignore[no-any-return] # a callable is a callable
        if probe.startswith("tcp:"):
            parts = urlsplit(probe)
            return partial(_connect, (parts.hostname, parts.port), self._timeout)
        return partial(_get, probe, self._timeout)


def _connect(address: Any, timeout: float) -> None:
    socket.create_connection(address, timeout).close()


def _get(url: str, timeout: float) -> bool:
    """Whether a service answers: also that it wants a key, or has no such page, is an answer."""
    request = urllib.request.Request(url, headers={"User-Agent": "wxiai-otel"})  # noqa: S310 - the setting allows http only
    try:
        with urllib.request.urlopen(request, timeout=timeout):  # noqa: S310 - as above
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < _SERVER_ERROR
