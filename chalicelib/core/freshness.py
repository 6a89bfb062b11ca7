"""How old what is known is: the newest event, and the newest file of each kind, beside a bound.

Whoever runs a shop states how old each may grow; what is not stated is told and never stale. What
was stated and never came is stale from the first night on: that is what a bound is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

EVENTS = "events"
FILES = ("orders", "customers", "catalog", "features")
SOURCES = (EVENTS, *FILES)
LONGEST_HOURS = 24 * 366
_HOUR_SECONDS = 3600


class Age(NamedTuple):
    """How old one source is.

    Attributes:
        source: ``events``, or the kind of file.
        seconds: since its newest; None where nothing ever came.
        most_hours: how old it may be; None where nothing is stated.
    """

    source: str
    seconds: int | None
    most_hours: float | None

    @property
    def is_stale(self) -> bool:
        """Whether it is older than stated."""
        if self.most_hours is None:
            return False
        return self.seconds is None or self.seconds > self.most_hours * _HOUR_SECONDS


def ages(
    newest: Mapping[str, int | None], expected: Mapping[str, float], *, now: int
) -> tuple[Age, ...]:
    """The age of every source of which something is known or stated, in the order of ``SOURCES``.

    Args:
        newest: when each source spoke last.
        expected: hours that it may be silent.
        now: the moment.
    """
    return tuple(
        Age(each, None if at is None else max(0, now - at), expected.get(each))
        for each in SOURCES
        for at in (newest.get(each),)
        if at is not None or each in expected
    )


def expected_hours(text: str) -> dict[str, float]:
    """Read ``events=24,orders=30``; raises ValueError that names what is wrong.

    >>> expected_hours("events=24, orders=30.5")
    {'events': 24.0, 'orders': 30.5}
    >>> expected_hours("")
    {}
    """
    found: dict[str, float] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        source, _, hours = part.partition("=")
        if source.strip() not in SOURCES:
            raise ValueError(f"{source.strip()} is no source; sources are {', '.join(SOURCES)}")
        try:
            number = float(hours)
        except ValueError:
            number = 0.0
        if not 0.0 < number <= LONGEST_HOURS:
            raise ValueError(
                f"{source.strip()}: must be hours, more than 0 and at most {LONGEST_HOURS},"
                " such as orders=30"
            )
        found[source.strip()] = number
    return found
