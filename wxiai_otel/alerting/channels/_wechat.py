"""WeChat Work: the robot of a group."""

from collections.abc import Sequence
from typing import ClassVar

from .._message import Message
from .._text import to_json
from ._robot import Robot, content


class WeChat(Robot):
    """WeChat Work (企业微信). See `Robot`."""

    name = "wechat"
    code = "errcode"
    explanation = "errmsg"
    # Of the text, in UTF-8: beyond it 40058.
    limit: ClassVar[int] = 4_096
    digest_limit = limit
    # -1: busy. 6000: conflict of versions. (45009: called too often. 45033: too many calls at a time.)
    passing = frozenset({-1, 6000})

    def limits(self, code: int, explanation: str) -> bool:
        """See `Robot.limits`."""
        del explanation
        return code in {45009, 45033}

    def body(self, messages: Sequence[Message]) -> bytes:
        """See `Robot.body`."""
        # An @ in angle brackets would call everybody, whoever has written it; what replaces it has the same length.
        text = content(messages, self.limit)(self.limit).replace("<@", "@ ")
        return to_json({"msgtype": "markdown", "markdown": {"content": text}})
