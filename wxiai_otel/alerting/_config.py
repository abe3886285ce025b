"""Channels from their configuration. What is not allowed is one error that names the key and what is allowed."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from .._parsers import NotAllowed, Parser, boolean, choice, positive_float, text, url
from ._errors import AlertConfigError
from ._secret import Secret
from .channels import Channel, DingTalk, Email, Feishu, Security, Webhook, WeChat

CHANNELS = ("dingtalk", "wechat", "feishu", "email", "webhook")
# Other words for the same.
ALIASES = {"wecom": "wechat", "lark": "feishu", "mail": "email"}

_ADDRESS = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")
_MAX_PORT = 65_535
_SMTP_PORTS = {"auto": 587, "starttls": 587, "ssl": 465, "none": 25}


class Section:
    """One section of the configuration, read key by key.

    Parameters:
        name: Its own.
        values: What it holds.
    """

    def __init__(self, name: str, values: object) -> None:
        if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
            raise AlertConfigError(f"{name}: allowed is a dictionary with names as keys")
        self._name = name
        self._values = dict(values)
        self._asked: set[str] = set()

    def get(self, key: str, parse: Parser, default: object = None, *others: str) -> Any:
        """The value of a key, or of another name of it; an error where it is missing and there is no default."""
        self._asked.update((key, *others))
        found = next((name for name in (key, *others) if self._values.get(name) is not None), None)
        if found is None:
            if default is None:
                raise AlertConfigError(f"{self._name}.{key} is missing: allowed is {_allowed(parse)}")
            return default
        try:
            return parse(self._values[found])
        except NotAllowed as allowed:
            raise AlertConfigError(f"{self._name}.{found}: allowed is {allowed}") from None

    def secret(self, key: str, parse: Parser, default: str | None = None, *others: str) -> Secret:
        """The value of a key that nobody may see, or what is in the file that ``<key>_file`` names."""
        file = f"{key}_file"
        path = self.get(file, text, "")
        if path and self._values.get(key) is None:
            try:
                self._values[key] = Path(path).read_text().strip()
            except (OSError, ValueError):  # no text, or no path
                raise AlertConfigError(f"{self._name}.{file}: allowed is a file that can be read") from None
        return Secret(str(self.get(key, parse, default, *others)))

    def bearer(self) -> dict[str, Secret]:
        """The header that shows the key ``token``; none without one."""
        token = self.secret("token", _header, "").reveal()
        return {"Authorization": Secret(f"Bearer {token}")} if token else {}

    def finish(self) -> None:
        """Refuse keys that nobody has asked for: they are misspelt."""
        if unknown := sorted(set(self._values) - self._asked):
            raise AlertConfigError(
                f"{self._name}.{unknown[0]} is not known: allowed are {', '.join(sorted(self._asked))}"
            )


def enabled(config: Mapping[str, Any], others: tuple[str, ...]) -> dict[str, Channel]:
    """The channels that are switched on, by name.

    Parameters:
        config: ``enabled_channels`` and a section for each channel.
        others: Keys that are somebody else's.
    """
    known = (*CHANNELS, *ALIASES)
    if unknown := sorted(set(config) - {*known, *others, "enabled_channels"}, key=str):
        raise AlertConfigError(
            f"{unknown[0]} is not known: allowed are enabled_channels, {', '.join((*CHANNELS, *others))}"
        )
    sections = {ALIASES.get(name, name): Section(name, config[name]) for name in known if config.get(name) is not None}
    listed = config.get("enabled_channels")
    names = list(sections) if listed is None else _listed(listed)
    channels = {}
    for name in dict.fromkeys(names):
        if name not in sections:
            raise AlertConfigError(f"enabled_channels: {name} has no section: allowed is a dictionary {name} beside it")
        if sections[name].get("enabled", boolean, True):
            channels[name] = _MAKE[name](sections[name])
            sections[name].finish()
    return channels


def _listed(listed: object) -> list[str]:
    allowed = AlertConfigError(f"enabled_channels: allowed is a list of {', '.join(CHANNELS)}")
    if not isinstance(listed, list | tuple):
        raise allowed
    names = [ALIASES.get(name, name) for name in listed if isinstance(name, str)]
    if len(names) != len(listed) or not set(names) <= set(CHANNELS):
        raise allowed
    return names


def _robot(make: Callable[[Secret, Secret], Channel]) -> Callable[[Section], Channel]:
    def parse(section: Section) -> Channel:
        return make(section.secret("webhook_url", webhook_url, None, "url"), section.secret("secret", _encodable, ""))

    return parse


def _wechat(section: Section) -> Channel:
    return WeChat(section.secret("webhook_url", webhook_url, None, "url"), Secret(""))


def webhook(section: Section, name: str = "webhook") -> Webhook:
    """A webhook of a section.

    Parameters:
        section: With its ``url``.
        name: Of the channel.
    """
    headers = {key: Secret(value) for key, value in section.get("headers", _headers, {}).items()}
    headers |= section.bearer()
    return Webhook(section.secret("url", webhook_url, None, "webhook_url"), headers, name)


def _email(section: Section) -> Channel:
    use_tls, use_ssl = section.get("use_tls", boolean, "auto"), section.get("use_ssl", boolean, False)
    flags = "ssl" if use_ssl else {True: "starttls", False: "none"}.get(use_tls, "auto")
    security = section.get("security", choice(*_SMTP_PORTS), flags)
    port = section.get("smtp_port", _port, _SMTP_PORTS[security], "port")
    if security == "auto" and port == _SMTP_PORTS["ssl"]:
        security = "ssl"
    username = section.get("username", text, "", "smtp_user", "smtp_username")
    password = section.secret("password", text, "", "smtp_password")
    if bool(username) != bool(password):
        raise AlertConfigError("email: username and password are allowed together, or neither")
    own = username if _ADDRESS.fullmatch(username) else None
    return Email(
        section.get("smtp_host", text, None, "smtp_server", "host"),
        port,
        cast("Security", security),
        username,
        password,
        section.get("from", _address, own, "from_email", "from_addr", "sender"),
        section.get("to", _addresses, None, "to_emails", "to_addrs", "recipients"),
    )


_MAKE: dict[str, Callable[[Section], Channel]] = {
    "dingtalk": _robot(DingTalk),
    "wechat": _wechat,
    "feishu": _robot(Feishu),
    "email": _email,
    "webhook": webhook,
}


def webhook_url(value: object) -> str:
    """An http:// or https:// URL that is not empty and needs no quoting."""
    found = url(value)
    if not found or not found.isascii() or any(char.isspace() for char in found):
        raise NotAllowed("an http:// or https:// URL")
    return found


def _port(value: object) -> int:
    try:
        port = positive_float(value)
    except NotAllowed:
        port = 0.5
    if port != int(port) or port > _MAX_PORT:
        raise NotAllowed(f"a port from 1 to {_MAX_PORT}")
    return int(port)


def _address(value: object) -> str:
    found = value.strip() if isinstance(value, str) else ""
    if not _ADDRESS.fullmatch(found):
        raise NotAllowed("a mail address such as alerts@example.com")
    return found


def _addresses(value: object) -> tuple[str, ...]:
    many = value.split(",") if isinstance(value, str) else value
    if not isinstance(many, list | tuple) or not many:
        raise NotAllowed("a list of mail addresses")
    return tuple(_address(one) for one in many)


def _headers(value: object) -> dict[str, str]:
    allowed = NotAllowed("a dictionary of headers, each one line of text")
    if not isinstance(value, Mapping):
        raise allowed
    for name, content in value.items():
        if not isinstance(name, str) or not isinstance(content, str) or not (name + content).isprintable():
            raise allowed
        if not (name + content).isascii():
            raise allowed
    return dict(value)


def _header(value: object) -> str:
    """What can be sent as the value of a header."""
    found = text(value)
    if not found.isascii() or not found.isprintable():
        raise NotAllowed("one line of ASCII")
    return found


def _encodable(value: object) -> str:
    found = text(value)
    try:
        found.encode()
    except UnicodeEncodeError:
        raise NotAllowed("a text that UTF-8 can have") from None
    return found


def _allowed(parse: Parser) -> str:
    try:
        parse(None)
    except NotAllowed as allowed:
        return str(allowed)
    return "a value"
