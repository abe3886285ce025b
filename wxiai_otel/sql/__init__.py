"""SQLAlchemy: statements, slow queries, deadlocks and pools, by the events of all engines of the process."""

from ._ask import ask, ping
from ._instrumentation import SqlInstrumentation, instrument_sql

__all__ = ["SqlInstrumentation", "ask", "instrument_sql", "ping"]
