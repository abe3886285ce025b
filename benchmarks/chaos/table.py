"""The table of results, as Markdown."""

from collections.abc import Sequence
from statistics import median

from .parts import Felt, Row

_COLUMNS = ("fault", "sent", "arrived", "p50 / p99 without", "p50 / p99 with", "memory", "end")


def header() -> str:
    return f"| {' | '.join(_COLUMNS)} |\n|{'---|' * 3}{'---:|' * 4}"


def _felt(rounds: Sequence[Felt]) -> str:
    if not rounds:
        return ""
    p99 = sorted(one.p99 for one in rounds)
    spread = f"{p99[0]:.0f}-{p99[-1]:.0f}" if len(rounds) > 1 else f"{p99[0]:.0f}"
    return f"{median(one.p50 for one in rounds):.1f} / {spread} ms"


def line(row: Row) -> str:
    memory = "" if row.memory is None else f"{row.memory[0]:.0f} → {row.memory[1]:.0f} MB"
    end = "" if row.end is None else f"{row.end:.1f} s"
    cells = (row.title, row.sent, row.arrived, _felt(row.undisturbed), _felt(row.disturbed), memory, end)
    return f"| {' | '.join(cells)} |"
