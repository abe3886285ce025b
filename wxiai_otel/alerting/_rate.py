"""How often a channel may be used."""


class Rate:
    """A bucket of permits: a burst at once, then one an interval.

    Parameters:
        burst: Permits that it holds; 0: no limit.
        interval: Seconds until one more is there.
    """

    def __init__(self, burst: int, interval: float) -> None:
        self._burst = burst
        self._interval = interval
        self._permits = float(burst)
        self._at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until there is a permit; 0: there is one."""
        if not self._burst:
            return 0.0
        self._fill(now)
        return max(0.0, (1 - self._permits) * self._interval)

    def take(self, now: float) -> None:
        """Use one."""
        if self._burst:
            self._fill(now)
            self._permits -= 1

    def _fill(self, now: float) -> None:
        self._permits = min(self._burst, self._permits + (now - self._at) / self._interval)
        self._at = now
