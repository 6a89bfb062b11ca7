"""More than forty time zones, and the moments at which their clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

from chalicelib.core.instants import DAY_SECONDS

# Where clocks are strange: set at midnight and before it, by half an hour and by two hours, and on
# either side of the date line.
STRANGE = (
    "Africa/Cairo", "America/Havana", "America/Nuuk", "America/Santiago", "Antarctica/Troll",
    "Asia/Beirut", "Atlantic/Azores", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati",
    "Pacific/Pago_Pago", "Asia/Gaza",
)  # fmt: skip
ZONES = (
    *STRANGE,
    # east of Greenwich with and without daylight saving, with half and quarter hours
    "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Berlin", "Europe/Paris",
    "Europe/Madrid", "Europe/Athens", "Europe/Helsinki", "Europe/Istanbul", "Europe/Moscow",
    "Africa/Casablanca", "Africa/Lagos", "Africa/Johannesburg", "Asia/Jerusalem",
    "Asia/Tehran", "Asia/Dubai", "Asia/Kolkata", "Asia/Kathmandu",
    "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney", "Australia/Adelaide",
    "Pacific/Auckland", "Pacific/Chatham",
    # and west of it
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix",
    "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu", "America/St_Johns",
    "America/Halifax", "America/Sao_Paulo",
)  # fmt: skip
YEAR_BEGINS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


@cache
def edges_of(zone: str) -> tuple[int, ...]:
    """When the clocks of a zone change in 2026; the first of January where they never do."""
    found = []
    for hour in range(0, 366 * DAY_SECONDS, 3600):
        moment = YEAR_BEGINS + hour
        if _offset(zone, moment) != _offset(zone, moment + 3600):
            low, high = moment, moment + 3600
            while high - low > 1:
                middle = (low + high) // 2
                same = _offset(zone, middle) == _offset(zone, low)
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
    return tuple(found) or (YEAR_BEGINS,)


def _offset(zone: str, moment: int) -> object:
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).utcoffset()
