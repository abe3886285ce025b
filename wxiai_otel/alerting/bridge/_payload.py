"""Alertmanager's webhook, version 4, as a message."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from heapq import nsmallest
from itertools import islice
from typing import Any
from urllib.parse import quote, urlsplit

from .._message import Alert, Message, rank, weight
from .._render import SHOWN_LABELS
from .._text import CUT, json_safe, safe

_LINKS = (("runbook_url", "处置手册 Runbook"), ("dashboard_url", "仪表盘 Dashboard"))
_SILENCE = "静默 Silence"
_MAX_URL = 2_000
# More than any channel shows. Channels mark the texts that they cut.
_MAX_TEXT = 4_096
_MAX_LABEL = 2_048
_MAX_LABELS = 30
_MAX_NAME = 200
_MAX_COUNT = 10**9
_SEVERITY = "info"
# max_alerts of alerts/alertmanager.yml.
MAX_ALERTS = 50
# Parsed JSON takes up to 40 times as much memory as its text, most of it for these.
_MAX_CONTAINERS = 50_000
# In memory. No channel sends more than 100,000 bytes of text.
MAX_MESSAGE_BYTES = 256 * 1024
_SAID = ("summary", "summary_en", "description", "description_en")


class PayloadError(ValueError):
    """The body is not what Alertmanager sends; the message names what is wrong and what is allowed."""


def parse(body: bytes | bytearray) -> Message:
    """Parse the alerts of a group. The most urgent ones are kept, the others are counted.

    Parameters:
        body: Of Alertmanager's request.

    Returns:
        A message of at most `MAX_ALERTS` alerts and about `MAX_MESSAGE_BYTES`, and of at least one alert.

    Raises:
        PayloadError: It is something else.
    """
    if body.count(b"{") + body.count(b"[") > _MAX_CONTAINERS:
        raise PayloadError(f"the body: allowed is JSON of at most {_MAX_CONTAINERS:,} objects and lists")
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        raise PayloadError("the body: allowed is JSON in UTF-8") from None
    if not isinstance(read, dict):
        raise PayloadError("the body: allowed is an object")
    found = read.get("alerts")
    if not isinstance(found, list) or not found:
        raise PayloadError("alerts: allowed is a list of at least one alert")
    omitted = read.get("truncatedAlerts", 0)
    if isinstance(omitted, bool) or not isinstance(omitted, int) or omitted < 0:
        raise PayloadError("truncatedAlerts: allowed is a whole number of at least 0")
    common = _texts(read, "", "commonLabels")
    urgency = [_checked(alert, f"alerts[{n}]") for n, alert in enumerate(found)]
    alerts: dict[int, Alert] = {}
    room = MAX_MESSAGE_BYTES
    for n in nsmallest(MAX_ALERTS, range(len(found)), key=urgency.__getitem__):
        alert = _alert(found[n], f"alerts[{n}]")
        room -= weight(alert)
        if alerts and room < 0:
            break
        alerts[n] = alert
    return Message(
        tuple(alerts[n] for n in sorted(alerts)),
        min(omitted, _MAX_COUNT) + len(found) - len(alerts),
        _silence(read.get("externalURL"), common),
        _group(read.get("groupKey")),
    )


def _checked(read: object, where: str) -> tuple[bool, int]:
    """Return the urgency of an alert that is valid."""
    if not isinstance(read, dict):
        raise PayloadError(f"{where}: allowed is an object")
    status = read.get("status")
    if status not in ("firing", "resolved"):
        raise PayloadError(f"{where}.status: allowed is firing or resolved")
    labels = _texts(read, where, "labels")
    _texts(read, where, "annotations")
    if not labels.get("alertname"):
        raise PayloadError(f"{where}.labels.alertname is missing: allowed is the alert's name")
    resolved = status == "resolved"
    _when(read, where, "endsAt" if resolved else "startsAt")
    return resolved, rank(labels.get("severity", _SEVERITY))


def _alert(read: Mapping[str, Any], where: str) -> Alert:
    labels, annotations = _texts(read, where, "labels"), _texts(read, where, "annotations")
    name = labels["alertname"][:_MAX_LABEL]
    resolved = read["status"] == "resolved"
    said = {key: safe(annotations.get(key, ""), _MAX_TEXT) for key in _SAID}
    return Alert(
        name,
        labels.get("severity", _SEVERITY)[:_MAX_LABEL],
        said["summary"] or name,
        said["summary_en"],
        said["description"],
        said["description_en"],
        resolved,
        _when(read, where, "endsAt" if resolved else "startsAt"),
        _labels(labels),
        _details(annotations.get("details")),
        tuple((title, link) for key, title in _LINKS if (link := _link(annotations.get(key)))),
    )


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels, without secrets. Of too many, those that messages show are kept."""
    names = list(labels)
    if len(names) > _MAX_LABELS:
        shown = [name for name in SHOWN_LABELS if name in labels]
        names = list(islice(dict.fromkeys([*shown, *names]), _MAX_LABELS - 1))
    kept = {name[:_MAX_NAME]: safe(labels[name], _MAX_LABEL, name) for name in names}
    return kept if len(names) == len(labels) else {**kept, CUT: f"{len(labels) - len(names)} more"}


def _group(key: object) -> str:
    """Return a name of a group that is as short as it needs to be; empty without one."""
    if not isinstance(key, str):
        return ""
    return key if len(key) <= _MAX_NAME else sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


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
