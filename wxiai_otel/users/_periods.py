"""Days, months and the last five minutes, as the names under which users are marked."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

ACTIVE_SECONDS = 300
BUCKET_SECONDS = 10
RETENTION_DAYS = {"1d": 1, "7d": 7, "30d": 30}

DAY, MONTH, BUCKET = "day", "month", "active"

# For how long each is of use, in seconds.
KEEP = {DAY: 33 * 86_400, MONTH: 33 * 86_400, BUCKET: ACTIVE_SECONDS + 3 * BUCKET_SECONDS}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The names of what the gauges are made of, at one time."""

    active: tuple[str, ...]
    today: str
    month: str
    before: dict[str, str]

    @property
    def lasting(self) -> tuple[str, str]:
        """The names under which a user stays marked when seen again: the current day and month."""
        return self.today, self.month

    @property
    def all(self) -> frozenset[str]:
        """All the names."""
        return frozenset((*self.active, self.today, self.month, *self.before.values()))

    def is_of_use(self, name: str) -> bool:
        """Whether a name is wanted, or a day that will be."""
        return name in self.all or (kind(name) == DAY and name > min(self.before.values()))


class Calendar:
    """Where days and months begin.

    Parameters:
        time_zone: By its name in the IANA database.
    """

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)

    def names(self, at: float, now: float) -> tuple[str, ...]:
        """Under which names a user is marked who was active at a time; none where that is too long ago.

        Parameters:
            at: Seconds since the epoch.
            now: The same.
        """
        day = self._date(at)
        today = self._date(now)
        if (today - day).days > max(RETENTION_DAYS.values()):
            return ()
        names = [_day(day)]
        if (day.year, day.month) == (today.year, today.month):
            names.append(_month(day))
        if now - at < KEEP[BUCKET]:
            names.append(f"{BUCKET}:{int(at // BUCKET_SECONDS)}")
        return tuple(names)

    def wanted(self, now: float) -> Wanted:
        """What the gauges are made of now."""
        today = self._date(now)
        last = int(now // BUCKET_SECONDS)
        first = int((now - ACTIVE_SECONDS) // BUCKET_SECONDS) + 1
        return Wanted(
            active=tuple(f"{BUCKET}:{bucket}" for bucket in range(first, last + 1)),
            today=_day(today),
            month=_month(today),
            before={period: _day(today - timedelta(days)) for period, days in RETENTION_DAYS.items()},
        )

    def _date(self, at: float) -> date:
        return datetime.fromtimestamp(at, UTC).astimezone(self._zone).date()


def kind(name: str) -> str:
    """Of what kind a name is: a day, a month or a part of the last five minutes."""
    return name.partition(":")[0]


def _day(day: date) -> str:
    return f"{DAY}:{day.isoformat()}"


def _month(day: date) -> str:
    return f"{MONTH}:{day.year}-{day.month:02}"
