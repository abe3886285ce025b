"""What tests of this folder use alone or break: private modules are imported here only."""

from wxiai_otel.business import _ai, _credits, _events, _inputs, _task_store, _tasks, _token

__all__ = [
    "TaskState",
    "_ai",
    "_credits",
    "_events",
    "_inputs",
    "_task_store",
    "_tasks",
    "decode",
    "encode",
    "new_state",
    "refusals",
]

refusals = _inputs.refusals
TaskState = _token.TaskState
decode = _token.decode
encode = _token.encode
new_state = _token.new_state
