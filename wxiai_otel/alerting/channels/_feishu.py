"""Feishu: the custom robot of a group."""

import hashlib
import hmac
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, ClassVar

from .._message import Message
from .._text import fitting, to_json
from ._robot import Robot, content, heading, resolved

_COLOURS = {0: "red", 1: "orange", 2: "blue"}


class Feishu(Robot):
    """Feishu (飞书). See `Robot`."""

    name = "feishu"
    code = "code"
    explanation = "msg"
    digest_limit = 10_000
    # The body, 20 KB: beyond it 9499, "Bad Request".
    limit: ClassVar[int] = 20_000
    # (11232, 99991400: called too often. 9499 is "Bad Request" but also "too many request".)
    passing: ClassVar[frozenset[int]] = frozenset()

    def limits(self, code: int, explanation: str) -> bool:
        """See `Robot.limits`."""
        return code in {11232, 99991400} or (code == 9499 and "too many" in explanation.lower())  # noqa: PLR2004

    def body(self, messages: Sequence[Message]) -> bytes:
        """See `Robot.body`. The signature is over nothing, by the time in seconds and the secret."""
        signature: dict[str, str] = {}
        if secret := self._secret.reveal():
            moment = str(int(time.time()))
            digest = hmac.digest(f"{moment}\n{secret}".encode(), b"", hashlib.sha256)
            signature = {"timestamp": moment, "sign": b64encode(digest).decode()}
        colour = "green" if resolved(messages) else _COLOURS.get(min(m.first.rank for m in messages), "grey")

        text_in = content(messages, self.limit)

        def build(room: int) -> bytes:
            # A tag in angle brackets would call everybody, whoever has written it.
            text = text_in(room).replace("<", "&#60;")
            card: dict[str, Any] = {
                "header": {"title": {"tag": "plain_text", "content": heading(messages)}, "template": colour},
                "elements": [{"tag": "markdown", "content": text}],
            }
            return to_json({**signature, "msg_type": "interactive", "card": card})

        return fitting(build, self.limit)
