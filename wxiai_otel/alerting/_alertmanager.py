"""Alerts of the application's by way of Alertmanager, which groups, silences and routes them like all others."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from ._message import SOURCE, Alert, Message
from ._post import deliver
from ._secret import Secret
from ._text import cleaned, cut, one_line, to_json
from .channels import Unlimited

# Details that are labels, so that they decide on the route and on which alerts are one.
LABELS = ("team", "service", "instance", "symptom", "job")

_MAX_LABEL = 200
_MAX_TEXT = 4_000


class Alertmanager(Unlimited):
    """Alertmanager's API v2.

    Parameters:
        url: Of Alertmanager, with its path prefix.
        headers: Sent with each request.
        keep: Seconds until the alert counts as over: nobody says so of an event.
    """

    name = "alertmanager"

    def __init__(self, url: Secret, headers: Mapping[str, Secret], keep: float) -> None:
        self._url = Secret(url.reveal().rstrip("/") + "/api/v2/alerts")
        self._headers = headers
        self._keep = keep

    def send(self, messages: Sequence[Message], seconds: float) -> None:
        """See `Channel.send`."""
        body = to_json([self._alert(alert) for message in messages for alert in message.alerts])
        deliver(self._url, body, self._headers, seconds)

    def _alert(self, alert: Alert) -> dict[str, Any]:
        name = one_line(alert.name, _MAX_LABEL)
        labels = {label: one_line(alert.details[label], _MAX_LABEL) for label in LABELS if alert.details.get(label)}
        details = {key: value for key, value in alert.details.items() if key not in labels}
        annotations = {"summary": cleaned(alert.summary, _MAX_TEXT)}
        if details:
            annotations["details"] = cut(to_json(details).decode(), _MAX_TEXT)
        return {
            # Without a symptom of their own all alerts of the application's would be one group.
            "labels": {
                "symptom": name,
                **labels,
                "alertname": name,
                "severity": alert.severity.lower(),
                "source": SOURCE,
            },
            "annotations": annotations,
            "startsAt": alert.at.isoformat(),
            "endsAt": (alert.at + timedelta(seconds=self._keep)).isoformat(),
        }
