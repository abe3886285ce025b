"""Alerts of the application's own, from its own code."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._guard import fault
from .._parsers import boolean, positive_float
from .._under_test import is_on as is_under_test
from .._under_test import tell
from ._alertmanager import Alertmanager
from ._config import Section, enabled, webhook_url
from ._errors import AlertConfigError, NotDelivered
from ._message import Alert, Message
from ._sender import Sender
from ._text import as_text, cut, json_safe, one_line, safe

logger = logging.getLogger("wxiai_otel")

TIMEOUT_SECONDS = 10.0
KEEP_SECONDS = 300.0
_MAX_NAME = 200
_MAX_MESSAGE = 8_000

_manager: "AlertManager | None" = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What has become of an alert on one channel.

    Parameters:
        delivered: Whether the other side has accepted it.
        reason: Why not.
    """

    delivered: bool
    reason: str = ""


class AlertManager:
    """Sends alerts on the channels of a configuration. `init_alert_manager` makes one.

    Parameters:
        config: See `init_alert_manager`.

    Raises:
        AlertConfigError: The configuration is not allowed.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        if not isinstance(config, Mapping):
            raise AlertConfigError("the configuration: allowed is a dictionary with names as keys")
        own = Section("config", {key: config[key] for key in ("timeout",) if key in config})
        self._timeout: float = own.get("timeout", positive_float, TIMEOUT_SECONDS)
        self._senders = [Sender(channel) for channel in enabled(config, ("alertmanager", "timeout")).values()]
        self._alertmanager = _alertmanager(config.get("alertmanager"))
        if not self._senders and self._alertmanager is None:
            logger.warning("alerts: no channel is enabled, and no alertmanager; nobody is told of anything")

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that are switched on."""
        return tuple(sender.channel.name for sender in self._senders)

    async def send_alert(
        self, alert_name: str, severity: str, message: str, details: Mapping[str, Any] | None = None
    ) -> dict[str, Delivery]:
        """Send an alert: to Alertmanager where there is one, else on all channels, side by side.

        Where Alertmanager does not take it, the channels do. It never raises, and takes no longer than the timeout.

        Parameters:
            alert_name: For example CreditsImbalance.
            severity: critical, warning or info.
            message: What is wrong.
            details: What else is known; ``team``, ``service``, ``instance``, ``job`` and ``symptom`` are labels
                in Alertmanager.

        Returns:
            What has become of it on each channel.
        """
        try:
            alert = Alert(
                one_line(alert_name, _MAX_NAME) or "unnamed",
                one_line(severity, _MAX_NAME) or "info",
                cut(safe(as_text(message), _MAX_MESSAGE + 1), _MAX_MESSAGE),
                details=json_safe(details if isinstance(details, Mapping) else {"details": details} if details else {}),
            )
            if is_under_test():
                tell(alert)
                return {channel: Delivery(delivered=True) for channel in self._first_asked()}
            return await self._send(Message((alert,)))
        except Exception:  # noqa: BLE001 - an alert never hurts what it tells of
            fault("alerting.send")
            return {}

    def _first_asked(self) -> tuple[str, ...]:
        return self.channels if self._alertmanager is None else (self._alertmanager.channel.name,)

    async def _send(self, message: Message) -> dict[str, Delivery]:
        within = self._timeout
        told: dict[str, Delivery] = {}
        if self._alertmanager is not None:
            # Half of the time is left for the channels.
            within = within / 2 if self._senders else within
            told = await _side_by_side([self._alertmanager], message, within)
            if all(delivery.delivered for delivery in told.values()):
                return told
        return {**told, **await _side_by_side(self._senders, message, within)}

    def close(self) -> None:
        """Send nothing more."""
        for sender in (*self._senders, *([self._alertmanager] if self._alertmanager else [])):
            sender.stop()


async def _side_by_side(senders: list[Sender], message: Message, within: float) -> dict[str, Delivery]:
    waited = {
        sender.channel.name: asyncio.ensure_future(asyncio.wrap_future(sender.submit(message, within)))
        for sender in senders
    }
    if not waited:
        return {}
    try:
        await asyncio.wait(waited.values(), timeout=within)
    finally:
        told = {name: _delivery(future, within) for name, future in waited.items()}
    for name, delivery in told.items():
        if not delivery.delivered:
            logger.error("alert %s not delivered by %s: %s", message.first.name, name, delivery.reason)
    return told


def _delivery(future: "asyncio.Future[None]", within: float) -> Delivery:
    if not future.done():
        future.cancel()
        return Delivery(delivered=False, reason=f"no answer within {within:.1f} s")
    if future.cancelled():
        return Delivery(delivered=False, reason="cancelled")
    error = future.exception()
    if error is None:
        return Delivery(delivered=True)
    return Delivery(delivered=False, reason=error.reason if isinstance(error, NotDelivered) else type(error).__name__)


def _alertmanager(values: object) -> Sender | None:
    if values is None:
        return None
    section = Section("alertmanager", {"url": values} if isinstance(values, str) else values)
    if not section.get("enabled", boolean, True):
        return None
    headers = section.bearer()
    url, keep = section.secret("url", webhook_url), section.get("keep", positive_float, KEEP_SECONDS)
    channel = Alertmanager(url, headers, keep)
    section.finish()
    return Sender(channel)


def init_alert_manager(config: Mapping[str, Any]) -> AlertManager:
    """Have `send_business_alert` send alerts on the channels of a configuration.

    Parameters:
        config: ``enabled_channels`` and a section for each channel: ``dingtalk``, ``wechat``, ``feishu``, ``email``,
            ``webhook``; ``alertmanager`` with its ``url``, which goes before all of them; ``timeout`` in seconds (10).

    Raises:
        AlertConfigError: It is not allowed; the message names the key and what is allowed.
    """
    global _manager
    manager, before = AlertManager(config), _manager
    _manager = manager
    if before is not None:
        before.close()
    return manager


async def send_business_alert(alert_name: str, severity: str, message: str, **details: Any) -> dict[str, Delivery]:
    """Send an alert on the channels that `init_alert_manager` was given. Before that it is logged, and nobody is told.

    See `AlertManager.send_alert`.
    """
    if _manager is None:
        logger.warning(
            "alert %s is told to nobody: call init_alert_manager(config) first", one_line(alert_name, _MAX_NAME)
        )
        return {}
    return await _manager.send_alert(alert_name, severity, message, details)
