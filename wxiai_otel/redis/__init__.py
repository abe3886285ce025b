"""Redis: what is asked of it by every redis-py client of the process, and what it holds."""

from ._instrumentation import RedisInstrumentation, instrument_redis
from ._state import StateRedis

__all__ = ["RedisInstrumentation", "StateRedis", "instrument_redis"]
