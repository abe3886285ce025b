"""All cases, by name."""

from collections.abc import Callable
from functools import partial

from . import backends, clock, collector, disk, failover, stores, workers
from .parts import Row
from .world import World

CASES: dict[str, Callable[[World], Row]] = {
    **{name: partial(collector.run, fault=fault) for name, fault in collector.FAULTS.items()},
    "slow": collector.slow,
    "moved": collector.moved,
    "disk": disk.full,
    "jaeger": backends.jaeger,
    "prometheus": backends.prometheus,
    "alerting": backends.alerting,
    "in-a-request": workers.in_a_request,
    "ctrl-c": workers.ctrl_c,
    "reload": workers.reload,
    "preload": workers.preload,
    "stores": stores.stores,
    "redis-failover": failover.redis,
    "postgresql-failover": failover.postgresql,
    "blocked": clock.blocked,
    "clock": clock.steps,
    "suspended": clock.suspended,
}
