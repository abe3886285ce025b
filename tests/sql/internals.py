"""Private names that the tests of this folder use: imported here only, so that a move touches one file."""

from wxiai_otel import _client_spans
from wxiai_otel._client_spans import ClientSpans
from wxiai_otel._own import own_traffic
from wxiai_otel._questions import NotChecked
from wxiai_otel._series import Series
from wxiai_otel._storage import StoredRecorder
from wxiai_otel.sql import _ask, _constructs, _instrumentation, _listeners, _pools, _spans, _statements
from wxiai_otel.sql._errors import is_deadlock, sqlstate
from wxiai_otel.sql._instrumentation import SqlInstrumentation
from wxiai_otel.sql._literals import MAX_READ
from wxiai_otel.sql._pools import Pools
from wxiai_otel.sql._spans import EngineSpans
from wxiai_otel.sql._statements import ByText, Statements
from wxiai_otel.sql._text import MAX_NAME, MAX_SHOWN, OPERATIONS, UNKNOWN, head, read, without_literals
