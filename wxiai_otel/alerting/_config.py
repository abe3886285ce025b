"""Channels from their configuration. What is not allowed is one error that names the key and what is allowed."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from .._misspelled import did_you_mean, printable
from .._parsers import Choice, NotAllowed, Parser, boolean, positive_float, shown, text, url
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
        sources: The environment variables that its keys come from, by key.
    """

    def __init__(self, name: str, values: object, sources: Mapping[str, str] | None = None) -> None:
        if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
            raise AlertConfigError(f"{name}: allowed is a dictionary with names as keys")
        self._name = name
        self._values = dict(values)
        self._sources = sources or {}
        self.asked: set[str] = set()

    def get(self, key: str, parse: Parser, default: object = None, *others: str, secret: bool = False) -> Any:
        """The value of a key, or of another name of it; an error where it is missing and there is no default."""
        self.asked.update((key, *others))
        found = next((name for name in (key, *others) if self._values.get(name) is not None), None)
        if found is None:
            if default is None:
                raise AlertConfigError(f"{self._name}.{key} is missing: allowed is {_allowed(parse)}")
            return default
        value = self._values[found]
        try:
            return parse(value)
        except NotAllowed as allowed:
            got = "" if secret else f", got {shown(value)}"
            source = f" (from {self._sources[found]})" if found in self._sources else ""
            raise AlertConfigError(f"{self._name}.{found}: allowed is {allowed}{got}{source}") from None

    def secret(self, key: str, parse: Parser, default: str | None = None, *others: str) -> Secret:
        """The value of a key that nobody may see, or what is in the file that ``<key>_file`` names."""
        file = f"{key}_file"
        path = self.get(file, text, "", secret=True)
        if path and self._values.get(key) is None:
            try:
                self._values[key] = Path(path).read_text().strip()
            except (OSError, ValueError):  # no text, or no path
                raise AlertConfigError(f"{self._name}.{file}: allowed is a file that can be read") from None
        return Secret(str(self.get(key, parse, default, *others, secret=True)))

    def bearer(self) -> dict[str, Secret]:
        """The header that shows the key ``token``; none without one."""
        token = self.secret("token", _header, "").reveal()
        return {"Authorization": Secret(f"Bearer {token}")} if token else {}

    def finish(self) -> None:
        """Refuse keys that nobody has asked for: they are misspelt."""
        if unknown := sorted(set(self._values) - self.asked):
            raise unknown_key(f"{self._name}.{unknown[0]}", sorted(self.asked), did_you_mean(unknown[0], self.asked))


def unknown_key(key: str, allowed: Sequence[str], suggestion: str) -> AlertConfigError:
    """Return the error about a key that does not exist.

    Parameters:
        key: The key, with its section.
        allowed: The keys that exist there.
        suggestion: See `did_you_mean`.
    """
    return AlertConfigError(f"{printable(key)} is not known: allowed are {', '.join(allowed)}{suggestion}")


def enabled(
    config: Mapping[str, Any], others: tuple[str, ...], sources: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Channel]:
    """The channels that are switched on, by name.

    Parameters:
        config: ``enabled_channels`` and a section for each channel.
        others: Keys that are somebody else's.
        sources: The environment variables that keys come from, by section and key.
    """
    sources = sources or {}
    known = (*CHANNELS, *ALIASES)
    if unknown := sorted(set(config) - {*known, *others, "enabled_channels"}, key=str):
        allowed = ("enabled_channels", *CHANNELS, *others)
        raise unknown_key(str(unknown[0]), allowed, did_you_mean(unknown[0], (*allowed, *ALIASES)))
    sections = {
        ALIASES.get(name, name): Section(name, config[name], sources.get(name))
        for name in known
        if config.get(name) is not None
    }
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


def channel_keys() -> dict[str, set[str]]:
    """Return the keys that each channel has, by channel and other word for it."""
    found = {}
    for name, make in _MAKE.items():
        section = Section(name, _MINIMAL)
        make(section)
        found[name] = {*section.asked, "enabled"}
    return found | {alias: found[name] for alias, name in ALIASES.items()}


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
    headers = {key: Secret(value) for key, value in section.get("headers", _headers, {}, secret=True).items()}
    headers |= section.bearer()
    return Webhook(section.secret("url", webhook_url, None, "webhook_url"), headers, name)


def _email(section: Section) -> Channel:
    use_tls, use_ssl = section.get("use_tls", boolean, "auto"), section.get("use_ssl", boolean, False)
    flags = "ssl" if use_ssl else {True: "starttls", False: "none"}.get(use_tls, "auto")
    security = section.get("security", Choice(*_SMTP_PORTS), flags)
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


# With these, each channel can be made, which reads all of its keys.
_MINIMAL = {
    "webhook_url": "http://example.com",
    "smtp_host": "example.com",
    "from": "alerts@example.com",
    "to": "oncall@example.com",
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
