"""What tests of this folder use alone or break: private modules are imported here only."""

from wxiai_otel import _client_spans, _own, _questions, _series, _storage
from wxiai_otel.sql import (
    _ask,
    _constructs,
    _errors,
    _instrumentation,
    _listeners,
    _literals,
    _pools,
    _spans,
    _statements,
    _text,
)

__all__ = [
    "MAX_NAME",
    "MAX_READ",
    "MAX_SHOWN",
    "OPERATIONS",
    "UNKNOWN",
    "ByText",
    "ClientSpans",
    "EngineSpans",
    "NotChecked",
    "Pools",
    "Series",
    "SqlInstrumentation",
    "Statements",
    "StoredRecorder",
    "_ask",
    "_client_spans",
    "_constructs",
    "_instrumentation",
    "_listeners",
    "_pools",
    "_spans",
    "_statements",
    "head",
    "is_deadlock",
    "own_traffic",
    "read",
    "sqlstate",
    "without_literals",
]

ClientSpans = _client_spans.ClientSpans
is_deadlock = _errors.is_deadlock
sqlstate = _errors.sqlstate
SqlInstrumentation = _instrumentation.SqlInstrumentation
MAX_READ = _literals.MAX_READ
own_traffic = _own.own_traffic
Pools = _pools.Pools
NotChecked = _questions.NotChecked
Series = _series.Series
EngineSpans = _spans.EngineSpans
ByText = _statements.ByText
Statements = _statements.Statements
StoredRecorder = _storage.StoredRecorder
MAX_NAME = _text.MAX_NAME
MAX_SHOWN = _text.MAX_SHOWN
OPERATIONS = _text.OPERATIONS
UNKNOWN = _text.UNKNOWN
head = _text.head
read = _text.read
without_literals = _text.without_literals
