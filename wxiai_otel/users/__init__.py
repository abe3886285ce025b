"""Which users are active: now, today, this month, and again after a while."""

from ._activity import Activity

__all__ = ["Activity"]
