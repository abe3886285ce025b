"""Redis: what is asked of it by every redis-py client of the process, and what it holds."""

from ._instrumentation import RedisInstrumentation, instrument_redis

__all__ = ["RedisInstrumentation", "instrument_redis"]
