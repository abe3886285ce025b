"""What the robots of chats have in common: a webhook that answers in JSON whether it has accepted."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from .._errors import NotDelivered
from .._message import Message
from .._post import post
from .._render import digest, digest_title, title, writer
from .._secret import Secret
from .._text import as_text, one_line

_OK = 200
_MAX_EXPLANATION = 200
_MAX_READ = 10_000


class Robot(ABC):
    """A robot of a chat.

    All of them are kept to 20 messages a minute: 10 at once and one every 6 seconds, which is never more than 20 in any
    minute, and what waits is folded into the next one. Waiting for the next whole minute would hold an alert that is
    critical for that long.

    Parameters:
        url: Its webhook.
        secret: What it is signed with; empty where it is not.
    """

    name: str
    burst: int = 10
    interval: float = 6.0
    workers: int = 1

    code: ClassVar[str]
    """The field of its answer that is 0 where it has accepted."""
    explanation: ClassVar[str]
    """The field that says why not."""
    digest_limit: ClassVar[int]
    """Bytes of a digest's text that fit whatever it is wrapped in."""
    passing: ClassVar[frozenset[int]]
    """Codes of faults that pass by themselves."""

    def __init__(self, url: Secret, secret: Secret) -> None:
        self._url = url
        self._secret = secret

    def fold(self, waiting: Sequence[Message]) -> int:
        """See `Channel.fold`."""
        return 1 if len(waiting) == 1 else digest(waiting, self.digest_limit)[1]

    def send(self, messages: Sequence[Message], seconds: float) -> None:
        """See `Channel.send`."""
        body = self.body(messages)
        answer = post(self.signed_url(), body, {}, seconds)
        said = answer.json()
        # Their codes come with HTTP 400 too, and an HTTP 200 without one is of somebody else, such as a proxy.
        code = said.get(self.code) if said else None
        if said is None or type(code) is not int:
            if answer.status != _OK:
                raise answer.refused()
            raise NotDelivered("the answer is not the robot's", passes=True)
        if code != 0:
            explanation = one_line(self._without_secrets(as_text(said.get(self.explanation, ""))), _MAX_EXPLANATION)
            limited = self.limits(code, explanation)
            passes = limited or code in self.passing or answer.status == 429 or answer.status >= 500  # noqa: PLR2004
            raise NotDelivered(f"{self.code} {code}: {explanation}", passes=passes, limited=limited, after=answer.after)
        if answer.status != _OK:
            raise answer.refused()

    @abstractmethod
    def limits(self, code: int, explanation: str) -> bool:
        """Whether the code says that there were too many messages."""

    @abstractmethod
    def body(self, messages: Sequence[Message]) -> bytes:
        """The request's body, within the robot's limit."""

    def signed_url(self) -> Secret:
        """Where to send it."""
        return self._url

    def _without_secrets(self, text: str) -> str:
        """What the other side has said, without what it may repeat of the request."""
        text = text[:_MAX_READ]
        for secret in (self._url.reveal(), *re.split(r"[/=&?]", self._url.reveal()), self._secret.reveal()):
            if len(secret) > 12:  # noqa: PLR2004 - a token, not a word of the path
                text = text.replace(secret, "***")
        return text


def heading(messages: Sequence[Message]) -> str:
    """The title of one message, or of many in one."""
    return title(messages[0]) if len(messages) == 1 else digest_title(messages)


def content(messages: Sequence[Message], limit: int) -> Callable[[int], str]:
    """Return a function that renders one or several messages as one text of at most a number of bytes.

    Parameters:
        messages: The messages.
        limit: The largest number of bytes that the function will get.
    """
    if len(messages) == 1:
        return writer(messages[0], limit)
    return lambda most: digest(messages, most)[0]


def resolved(messages: Sequence[Message]) -> bool:
    """Whether all of it is over."""
    return all(message.resolved for message in messages)
