"""A clock for tests, which takes the place of a module's `time`."""


class Clock:
    """Monotonic time in seconds, `now`, which passes only when a test or the code under test sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def monotonic_ns(self) -> int:
        return round(self.now * 1e9)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
