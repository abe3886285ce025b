"""Asking for what may be chosen, on a terminal."""

from collections.abc import Callable
from typing import TextIO, TypeVar

from ._choices import (
    Choices,
    LayOutError,
    address,
    channels,
    known_channel,
    mail_address,
    mail_user,
    port,
    split,
)

T = TypeVar("T")


def ask(answers: TextIO, shown: TextIO) -> Choices:
    """Ask one question after the other; what is not allowed is asked again. Enter takes what is in brackets.

    Parameters:
        answers: Read line by line.
        shown: Where the questions go.

    Raises:
        LayOutError: There are no further answers.
    """

    def question(text: str, default: str, read: Callable[[str], T]) -> T:
        while True:
            print(f"{text} [{default}]: ", end="", file=shown, flush=True)
            line = answers.readline()
            if not line:
                raise LayOutError("no answer: nothing is written")
            try:
                return read(line.strip() or default)
            except LayOutError as error:
                print(error, file=shown)

    none = "none"

    def unless_none(read: Callable[[str], T]) -> Callable[[str], T | None]:
        return lambda answer: None if answer == none else read(answer)

    chosen = question(
        f"Chats and the like that are told of alerts ({', '.join(channels())})",
        none,
        unless_none(lambda answer: tuple(known_channel(word) for word in split(answer))),
    )
    server = question("Mail server, host:port; without one mails stay in mailpit", none, unless_none(_address))
    written_by = written_to = user = None
    if server is not None:
        written_by = question("Mails are from", "alerts@example.com", lambda answer: mail_address("this", answer))
        written_to = question("Mails are to", "oncall@example.com", lambda answer: mail_address("this", answer))
        user = question("Login at the mail server", none, unless_none(lambda answer: mail_user("this", answer)))
    traces = question("Receiver of traces (OTLP, gRPC), host:port, instead of Jaeger", none, unless_none(_address))
    grafana = question("Port of Grafana; none: no Grafana", "3000", unless_none(lambda answer: port("this", answer)))
    otlp = question(
        "Port for applications on this machine itself", none, unless_none(lambda answer: port("this", answer))
    )
    return Choices(
        channels=chosen or (),
        without=("grafana",) if grafana is None else (),
        traces_to=traces,
        mail_server=server,
        mail_from=written_by,
        mail_to=written_to,
        mail_user=user,
        grafana_port=grafana or 3000,
        otlp_port=otlp,
    )


def _address(answer: str) -> str | None:
    return address("this", answer)
