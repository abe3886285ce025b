"""The channels, one a module, behind one protocol."""

from ._dingtalk import DingTalk
from ._email import Email, Security
from ._feishu import Feishu
from ._protocol import Channel
from ._unlimited import Unlimited
from ._webhook import Webhook
from ._wechat import WeChat

__all__ = ["Channel", "DingTalk", "Email", "Feishu", "Security", "Unlimited", "WeChat", "Webhook"]
