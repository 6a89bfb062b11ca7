"""Moments and numbers as charts and their tables tell them."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from typing import Any

_A_DAY = len("2026-11-27")
_LARGE = 1_000


def spaced(name: str) -> str:
    """The name of a field for a person.

    >>> spaced("mails_sent")
    'mails sent'
    """
    return name.replace("_", " ")


def number_words(value: Any, number_format: str | None = None) -> str:
    """A number for a table; text stays as it is.

    >>> number_words(0.12345, ".1%"), number_words(12345.6), number_words(0.00123456)
    ('12.3 %', '12,346', '0.001235')
    """
    match value:
        case None:
            return "–"
        case bool() | str():
            return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "–"
    if number_format is not None and number_format.endswith("%"):
        return f"{value * 100:.1f} %"
    is_whole = isinstance(value, int) or abs(value) >= _LARGE
    return f"{value:,.0f}" if is_whole else f"{value:.4g}"


def is_moment(value: Any) -> bool:
    """Whether a value can be told as time: whole seconds, a date, or ISO text.

    >>> is_moment("2026-11-27"), is_moment("at risk"), is_moment(1764201600), is_moment(True)
    (True, False, True, False)
    """
    match value:
        case bool():
            return False
        case int() | date():
            return True
        case str():
            return _is_iso(value)
    return False


def instant_of(value: Any) -> datetime:
    """A moment in UTC; raises TypeError or ValueError for what is none.

    >>> instant_of(0).isoformat(), instant_of("1997-01-01").isoformat()
    ('1970-01-01T00:00:00+00:00', '1997-01-01T00:00:00+00:00')
    """
    match value:
        case datetime():
            at = value
        case date():
            at = datetime.combine(value, time())
        case int():
            at = datetime.fromtimestamp(value, UTC)
        case str():
            at = datetime.fromisoformat(value)
        case _:
            raise TypeError(f"{type(value).__name__} is no moment")
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def moment_words(value: Any) -> str:
    """A moment for a table, in UTC; of a day, the day alone.

    >>> moment_words("1997-01-01"), moment_words(852076800)
    ('1997-01-01', '1997-01-01 00:00')
    """
    is_day = type(value) is date or (isinstance(value, str) and len(value) == _A_DAY)
    return instant_of(value).strftime("%Y-%m-%d" if is_day else "%Y-%m-%d %H:%M")


def _is_iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
