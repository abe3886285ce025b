"""SQLAlchemy: statements, slow queries, deadlocks and pools, by the events of all engines of the process."""

from ._instrumentation import SqlInstrumentation, instrument_sql

__all__ = ["SqlInstrumentation", "instrument_sql"]
