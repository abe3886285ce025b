"""What may be chosen, and what is allowed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .._data import data_files
from .._misspelled import did_you_mean

BRIDGE = "alerts/bridge.toml"
OPTIONAL_SERVICES = ("grafana", "jaeger", "mailpit")

_ADDRESS = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")
_MAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
# No quote, and nothing that would end a value in YAML.
_NAME = re.compile(r"[A-Za-z0-9._%+@-]+")
_PORTS = range(1, 65_536)


class LayOutError(Exception):
    """Nothing was written; the text says why."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What is chosen of the pipeline.

    Parameters:
        channels: Of the bridge, to be on.
        without: Services to leave out.
        traces_to: ``host:port`` of an OTLP receiver (gRPC) that has the traces instead of Jaeger.
        mail_server: ``host:port`` instead of mailpit.
        mail_from: Who writes.
        mail_to: Who is written to, whatever the team.
        mail_user: The name for the login; its password is a secret.
        grafana_port: Where Grafana listens.
        otlp_port: Where this machine's own applications reach the Collector; None: nowhere.

    Raises:
        LayOutError: Something is not allowed.
    """

    channels: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    traces_to: str | None = None
    mail_server: str | None = None
    mail_from: str | None = None
    mail_to: str | None = None
    mail_user: str | None = None
    grafana_port: int = 3000
    otlp_port: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is not allowed."""
        for channel in self.channels:
            known_channel(channel)
        for service in self.without:
            if service not in OPTIONAL_SERVICES:
                meant = did_you_mean(service, OPTIONAL_SERVICES)
                raise LayOutError(f"{service!r} cannot be left out; allowed are {', '.join(OPTIONAL_SERVICES)}{meant}")
        address("--traces-to", self.traces_to)
        address("--mail-server", self.mail_server)
        mail_address("--mail-from", self.mail_from)
        mail_address("--mail-to", self.mail_to)
        mail_user("--mail-user", self.mail_user)
        port("--grafana-port", self.grafana_port)
        port("--otlp-port", self.otlp_port)
        if self.mail_server is not None and (self.mail_from is None or self.mail_to is None):
            raise LayOutError("--mail-server needs --mail-from and --mail-to")
        if self.mail_server is None and self.mail_user is not None:
            raise LayOutError("--mail-user needs --mail-server")
        if "jaeger" in self.without and self.traces_to is None:
            raise LayOutError("--without jaeger needs --traces-to: the traces go somewhere else then")
        if "mailpit" in self.without and self.mail_server is None:
            raise LayOutError("--without mailpit needs --mail-server: the mails go somewhere else then")

    @property
    def left_out(self) -> tuple[str, ...]:
        """The services that are not written: what is elsewhere is not needed here."""
        elsewhere = {"jaeger": self.traces_to, "mailpit": self.mail_server}
        return tuple(name for name in OPTIONAL_SERVICES if name in self.without or elsewhere.get(name) is not None)


def bridge_text() -> str:
    """The configuration of the bridge, with all channels off."""
    return data_files(BRIDGE)[BRIDGE].read_text(encoding="utf-8")


def channels() -> list[str]:
    """The channels that the bridge has."""
    return re.findall(r"(?m)^# \[(\w+)\]", bridge_text())


def known_channel(name: str) -> str:
    """A channel's name.

    Raises:
        LayOutError: There is no such channel.
    """
    if name not in channels():
        allowed = ", ".join(channels())
        raise LayOutError(f"there is no channel {name!r}; allowed are {allowed}{did_you_mean(name, channels())}")
    return name


def address(what: str, value: str | None) -> str | None:
    """``host:port``.

    Raises:
        LayOutError: It is none.
    """
    found = _ADDRESS.fullmatch(value) if value is not None else None
    if value is not None and (found is None or int(found[1]) not in _PORTS):
        raise LayOutError(f"{what} is {value!r}; allowed is host:port")
    return value


def mail_address(what: str, value: str | None) -> str | None:
    """``name@host``.

    Raises:
        LayOutError: It is none.
    """
    return _matching(what, value, _MAIL, "a mail address, as oncall@example.com")


def mail_user(what: str, value: str | None) -> str | None:
    """A name for a login.

    Raises:
        LayOutError: It has characters that such names have not.
    """
    return _matching(what, value, _NAME, "a name of letters, digits and ._%+@-")


def port(what: str, value: int | str | None) -> int | None:
    """A port's number.

    Raises:
        LayOutError: It is none.
    """
    if value is None:
        return None
    if not str(value).isdecimal() or int(value) not in _PORTS:
        raise LayOutError(f"{what} is {value!r}; allowed is a port from {_PORTS[0]} to {_PORTS[-1]}")
    return int(value)


def _matching(what: str, value: str | None, pattern: re.Pattern[str], allowed: str) -> str | None:
    if value is not None and not pattern.fullmatch(value):
        raise LayOutError(f"{what} is {value!r}; allowed is {allowed}")
    return value


def split(text: str) -> Iterable[str]:
    """The words of a list with commas or blanks."""
    return (word for word in re.split(r"[,\s]+", text) if word)
