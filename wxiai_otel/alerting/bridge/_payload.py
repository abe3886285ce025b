"""Alertmanager's webhook, version 4, as a message."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from .._message import Alert, Message
from .._text import json_safe, safe

_LINKS = (("runbook_url", "处置手册 Runbook"), ("dashboard_url", "仪表盘 Dashboard"))
_SILENCE = "静默 Silence"
_MAX_URL = 2_000
# More than any channel shows. Channels mark the texts that they cut.
_MAX_TEXT = 4_096
_MAX_LABEL = 2_048
_SAID = ("summary", "summary_en", "description", "description_en")


class PayloadError(ValueError):
    """The body is not what Alertmanager sends; the message names what is wrong and what is allowed."""


def parse(body: bytes) -> Message:
    """The alerts of a group.

    Parameters:
        body: Of Alertmanager's request.

    Raises:
        PayloadError: It is something else.
    """
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        raise PayloadError("the body: allowed is JSON in UTF-8") from None
    if not isinstance(read, dict):
        raise PayloadError("the body: allowed is an object")
    alerts = read.get("alerts")
    if not isinstance(alerts, list) or not alerts:
        raise PayloadError("alerts: allowed is a list of at least one alert")
    omitted = read.get("truncatedAlerts", 0)
    if isinstance(omitted, bool) or not isinstance(omitted, int) or omitted < 0:
        raise PayloadError("truncatedAlerts: allowed is a whole number of at least 0")
    common = _texts(read, "", "commonLabels")
    silence = _silence(read.get("externalURL"), common)
    group = read.get("groupKey")
    return Message(
        tuple(_alert(alert, f"alerts[{n}]") for n, alert in enumerate(alerts)),
        omitted,
        silence,
        group if isinstance(group, str) else "",
    )


def _alert(read: object, where: str) -> Alert:
    if not isinstance(read, dict):
        raise PayloadError(f"{where}: allowed is an object")
    status = read.get("status")
    if status not in ("firing", "resolved"):
        raise PayloadError(f"{where}.status: allowed is firing or resolved")
    labels, annotations = _texts(read, where, "labels"), _texts(read, where, "annotations")
    name = labels.get("alertname")
    if not name:
        raise PayloadError(f"{where}.labels.alertname is missing: allowed is the alert's name")
    resolved = status == "resolved"
    said = {key: safe(annotations.get(key, ""), _MAX_TEXT) for key in _SAID}
    shown = {key: safe(value, _MAX_LABEL, key) for key, value in labels.items()}
    return Alert(
        name[:_MAX_LABEL],
        labels.get("severity", "info")[:_MAX_LABEL],
        said["summary"] or name[:_MAX_LABEL],
        said["summary_en"],
        said["description"],
        said["description_en"],
        resolved,
        _when(read, where, "endsAt" if resolved else "startsAt"),
        shown,
        _details(annotations.get("details")),
        tuple((title, link) for key, title in _LINKS if (link := _link(annotations.get(key)))),
    )


def _texts(read: Mapping[str, Any], where: str, key: str) -> dict[str, str]:
    found = read.get(key, {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise PayloadError(f"{where}.{key}".lstrip(".") + ": allowed is an object of strings")
    return found


def _when(read: Mapping[str, Any], where: str, key: str) -> datetime:
    found = read.get(key)
    try:
        when = datetime.fromisoformat(found) if isinstance(found, str) else None
        when = when.astimezone() if when is not None and when.tzinfo is not None else None
    except (ValueError, OverflowError):  # the first and last days of the calendar, in another time zone
        when = None
    if when is None:
        raise PayloadError(f"{where}.{key}: allowed is a time of RFC 3339")
    return when


def _details(text: str | None) -> dict[str, Any]:
    """What an application has said of its own alert."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        found = {"details": text}
    return json_safe(found if isinstance(found, dict) else {"details": found})


def _link(address: object) -> str:
    """An address as Markdown can have it; nothing where it is none."""
    if not isinstance(address, str) or len(address) > _MAX_URL:
        return ""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    return quote(address, safe="%/:?#[]@!$&'*+,;=~-._", errors="replace")


def _silence(external: object, labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Where to silence what the alerts have in common."""
    if not labels or not isinstance(external, str) or sum(map(len, labels.values())) > _MAX_URL:
        return ()
    matchers = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(labels.items()))
    filtered = quote("{" + matchers + "}", safe="", errors="replace")
    address = _link(f"{external.rstrip('/')}/#/silences/new?filter={filtered}")
    return ((_SILENCE, address),) if address else ()
