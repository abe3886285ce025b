"""Private names that the tests of this folder use: imported here only, so that a move touches one file."""

from wxiai_otel.business import _ai, _credits, _events, _inputs, _task_store, _tasks
from wxiai_otel.business._inputs import refusals
from wxiai_otel.business._token import TaskState, decode, encode, new_state
