"""Private names that the tests of this folder use: imported here only, so that a move touches one file."""

from wxiai_otel import _backoff
from wxiai_otel._client_spans import ClientSpans
from wxiai_otel._deadline import until as within
from wxiai_otel._own import own_traffic, suppressed
from wxiai_otel.redis import _calls, _spans
from wxiai_otel.redis._calls import Calls
from wxiai_otel.redis._commands import read
from wxiai_otel.redis._link import Address, Link
from wxiai_otel.redis._spans import RedisSpans
