"""Consistent probability sampling: a trace is chosen if its random 56 bits are not below the rejection threshold.

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
# Both depend on who decides: a caller's threshold and randomness are not passed on.
_OURS = ("th:", "rv:")


def threshold_of(share: float) -> int:
    """Return the rejection threshold for a share of all traces."""
    return (1 << _BITS) - round(share * (1 << _BITS))


def randomness_of(trace_id: int) -> int:
    """Return the random 56 bits of a trace id that this process has made."""
    return trace_id & _MASK


def own_randomness() -> int:
    """Return 56 bits that no caller can predict or choose, for a trace whose id comes from a caller."""
    return int.from_bytes(urandom(_BITS // 8))


def entries(state: TraceState, threshold: int | None, random_value: int | None = None) -> list[tuple[str, str]] | None:
    """Return the entries of a trace state after a decision.

    Parameters:
        state: The caller's.
        threshold: The threshold that the trace has passed; ``None`` if it was not chosen.
        random_value: The randomness, unless it is that of the trace id.
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
    # A longer one would be invalid, and more entries too.
    return [(_KEY, value if len(value) <= _MAX_VALUE else ";".join(ours)), *others[: _MAX_ENTRIES - 1]]
