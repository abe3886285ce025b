"""DingTalk: the custom robot of a group."""

import hashlib
import hmac
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote_plus

from .._message import Message
from .._secret import Secret
from .._text import fitting, to_json
from ._robot import Robot, content, heading


class DingTalk(Robot):
    """DingTalk (钉钉). See `Robot`."""

    name = "dingtalk"
    code = "errcode"
    explanation = "errmsg"
    digest_limit = 12_000
    # The body, not the text: beyond it 460101, "body 大小不合法 ... 20000bytes".
    limit: ClassVar[int] = 20_000
    # -1: busy. (130101: more than 20 messages in a minute. 90018, 90030: called too often.)
    passing = frozenset({-1})

    def limits(self, code: int, explanation: str) -> bool:
        """See `Robot.limits`."""
        del explanation
        return code in {130101, 90018, 90030}

    def signed_url(self) -> Secret:
        """See `Robot.signed_url`. The signature is over the time in milliseconds and the secret, by the secret."""
        secret = self._secret.reveal()
        if not secret:
            return self._url
        moment = str(round(time.time() * 1000))
        digest = hmac.digest(secret.encode(), f"{moment}\n{secret}".encode(), hashlib.sha256)
        url = self._url.reveal()
        separator = "&" if "?" in url else "?"
        return Secret(f"{url}{separator}timestamp={moment}&sign={quote_plus(b64encode(digest))}")

    def body(self, messages: Sequence[Message]) -> bytes:
        """See `Robot.body`."""
        text_in = content(messages, self.limit)

        def build(room: int) -> bytes:
            text = {"title": heading(messages), "text": text_in(room)}
            return to_json({"msgtype": "markdown", "markdown": text})

        return fitting(build, self.limit)
