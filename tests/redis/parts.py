"""What tests of this folder use alone or break: private modules are imported here only."""

from wxiai_otel import _backoff, _client_spans, _deadline, _own
from wxiai_otel.redis import _calls, _commands, _link, _spans

__all__ = [
    "Address",
    "Calls",
    "ClientSpans",
    "Link",
    "RedisSpans",
    "_backoff",
    "_calls",
    "_spans",
    "own_traffic",
    "read",
    "suppressed",
    "within",
]

Calls = _calls.Calls
ClientSpans = _client_spans.ClientSpans
read = _commands.read
within = _deadline.until
Address = _link.Address
Link = _link.Link
own_traffic = _own.own_traffic
suppressed = _own.suppressed
RedisSpans = _spans.RedisSpans
