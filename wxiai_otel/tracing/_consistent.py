"""Consistent probability sampling: a trace is chosen if its 56 random bits are not below the rejection threshold.

https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
"""

from os import urandom

from opentelemetry.trace import TraceState

_KEY = "ot"
_BITS = 56
_MASK = (1 << _BITS) - 1
# https://www.w3.org/TR/trace-context/#tracestate-header
_MAX_ENTRIES = 32
_MAX_VALUE = 256
# Threshold and randomness belong to one decision: those of a caller are not passed on.
_OURS = ("th:", "rv:")


def threshold_of(share: float) -> int:
    """Return the rejection threshold for a share of all traces."""
    return (1 << _BITS) - round(share * (1 << _BITS))


def randomness_of(trace_id: int) -> int:
    """Return the 56 random bits of a trace id that this process created."""
    return trace_id & _MASK


def own_randomness() -> int:
    """Return 56 random bits for a trace id of a caller, which the caller can neither predict nor choose."""
    return int.from_bytes(urandom(_BITS // 8))


def entries(state: TraceState, threshold: int | None, random_value: int | None = None) -> list[tuple[str, str]] | None:
    """Return the entries of a trace state after a decision.

    Parameters:
        state: The trace state of the caller.
        threshold: The threshold of the decision; ``None`` if the trace was not chosen.
        random_value: The randomness; ``None`` if the random bits of the trace id decided.
    """
    if not state and threshold is None and random_value is None:
        return None
    others = [(key, value) for key, value in state.items() if key != _KEY]
    ours = [] if threshold is None else [f"th:{f'{threshold:014x}'.rstrip('0') or '0'}"]
    if random_value is not None:
        ours.append(f"rv:{random_value:014x}")
    members = [member for member in state.get(_KEY, "").split(";") if member and not member.startswith(_OURS)]
    if not ours and not members:
        return others
    value = ";".join((*ours, *members))
    # A longer value, or more entries, would be invalid.
    return [(_KEY, value if len(value) <= _MAX_VALUE else ";".join(ours)), *others[: _MAX_ENTRIES - 1]]
