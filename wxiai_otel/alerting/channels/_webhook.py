"""Any HTTP endpoint that takes JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from .._message import SOURCE, Alert, Message
from .._post import deliver
from .._secret import Secret
from .._text import cleaned, json_safe, one_line, to_json
from ._unlimited import Unlimited

_MAX_TEXT = 4_000
_MAX_ALERTS = 50


class Webhook(Unlimited):
    """A webhook.

    Parameters:
        url: Where it is.
        headers: Sent with each request.
        name: See `Channel`.
    """

    def __init__(self, url: Secret, headers: Mapping[str, Secret], name: str = "webhook") -> None:
        self.name = name
        self._url = url
        self._headers = headers

    def send(self, messages: Sequence[Message], seconds: float) -> None:
        """See `Channel.send`."""
        deliver(self._url, to_json(payload(messages[0])), self._headers, seconds)


def payload(message: Message) -> dict[str, Any]:
    """What is sent: the same fields for an alert of the application's and for a group of Alertmanager's."""
    first = message.first
    details = dict(first.details) if len(message.alerts) == 1 and not first.labels else _group(message)
    return {
        "alert_name": one_line(first.name, _MAX_TEXT),
        "severity": one_line(first.severity, _MAX_TEXT),
        "message": cleaned(first.summary, _MAX_TEXT),
        "details": details,
        "timestamp": first.at.isoformat(),
        "source": SOURCE,
    }


def _group(message: Message) -> dict[str, Any]:
    shown = message.alerts[:_MAX_ALERTS]
    return {
        "status": "resolved" if message.resolved else "firing",
        "alerts": [_alert(alert) for alert in shown],
        "omitted": message.omitted + len(message.alerts) - len(shown),
        "links": dict(message.links),
    }


def _alert(alert: Alert) -> dict[str, Any]:
    texts = {"summary": alert.summary, "summary_en": alert.summary_en}
    more = {"description": alert.description, "description_en": alert.description_en}
    return {
        "alert_name": one_line(alert.name, _MAX_TEXT),
        "severity": one_line(alert.severity, _MAX_TEXT),
        "status": "resolved" if alert.resolved else "firing",
        "timestamp": alert.at.isoformat(),
        **{name: cleaned(text, _MAX_TEXT) for name, text in {**texts, **more}.items() if text},
        "labels": json_safe(alert.labels),
        "links": dict(alert.links),
    }
