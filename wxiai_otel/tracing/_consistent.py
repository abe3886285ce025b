"""Consistent probability sampling: every service decides on a trace alike, by the random bits of its id.

https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
"""

import re

from opentelemetry.trace import TraceState

_KEY = "ot"
_BITS = 56
_MASK = (1 << _BITS) - 1
_RANDOM_VALUE = re.compile(r"rv:([0-9a-f]{14})")


def threshold_of(share: float) -> int:
    """The rejection threshold: a trace is chosen where its randomness is not below it."""
    return (1 << _BITS) - round(share * (1 << _BITS))


def randomness(trace_id: int, state: TraceState) -> int:
    """The trace's random 56 bits: of its id, unless the trace state says others."""
    if state and (said := state.get(_KEY)):
        for member in said.split(";"):
            if found := _RANDOM_VALUE.fullmatch(member):
                return int(found[1], 16)
    return trace_id & _MASK


def entries(state: TraceState, threshold: int | None) -> list[tuple[str, str]] | None:
    """A trace state's entries with the threshold by which the trace was chosen, or with none."""
    if not state and threshold is None:
        return None
    others = [(key, value) for key, value in state.items() if key != _KEY]
    members = [member for member in state.get(_KEY, "").split(";") if member and not member.startswith("th:")]
    if threshold is not None:
        members.insert(0, f"th:{f'{threshold:014x}'.rstrip('0') or '0'}")
    return [(_KEY, ";".join(members)), *others] if members else others
