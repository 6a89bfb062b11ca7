"""Moments in time as whole seconds since 1970-01-01T00:00:00Z.

Integers compare, hash and serialise the same everywhere, which replay depends on; ISO 8601
appears only where a person or another system reads.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NewType

from chalicelib.core.errors import BadInput

Instant = NewType("Instant", int)

DAY_SECONDS = 86_400
_EPOCH = date(1970, 1, 1)
# 9999-12-31T23:59:59Z: the last moment that ISO 8601 with four-digit years can say.
LATEST = Instant(253_402_300_799)
# How far ahead of our clock a sender's clock may be before we refuse its timestamp.
CLOCK_SKEW_SECONDS = 300


def parse_instant(text: object, *, field: str) -> Instant:
    """Read an ISO 8601 date or date-time; a missing offset means UTC.

    Raises BadInput naming ``field``.

    >>> parse_instant("1997-01-01T00:00:00Z", field="timestamp")
    852076800
    """
    if not isinstance(text, str):
        raise BadInput.of(field, "must be an ISO 8601 string such as 2026-01-31T09:30:00Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput.of(
            field, "is not an ISO 8601 date-time such as 2026-01-31T09:30:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = int(moment.timestamp())
    if not 0 <= seconds <= LATEST:
        raise BadInput.of(field, "lies outside the years 1970 to 9999")
    return Instant(seconds)


def format_instant(moment: int) -> str:
    """Write a moment as ISO 8601 in UTC.

    >>> format_instant(852076800)
    '1997-01-01T00:00:00Z'
    """
    days, seconds = divmod(moment, DAY_SECONDS)
    minutes, seconds = divmod(seconds, 60)
    return f"{_day(days)}T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}Z"


@lru_cache(maxsize=64)
def _day(days: int) -> str:
    """The date so many days after 1970-01-01; a process speaks of few days at a time."""
    return (_EPOCH + timedelta(days)).isoformat()
