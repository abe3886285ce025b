"""The switches of the faults, for those who turn them and those who obey."""

ERRORS = "errors"
POOL = "pool"
HOLD_PATH = "/detection/hold-pool"
DEAD = "flux"
DEAD_SWITCH = f"dead-{DEAD}"
REFUSING = "kling"
REFUSING_SWITCH = f"refuse-{REFUSING}"
