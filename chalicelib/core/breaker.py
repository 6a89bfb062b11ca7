"""The breaker: too many bounces or complaints, and marketing stops before the provider stops us.

SES reviews an account at 5 % bounces and 0.1 % complaints; ours opens at 4 % and 0.08 %, over the
mails of the last seven days and never on fewer than ``LEAST_SENT`` of them. As days leave the
window it closes by itself; an operator who has dealt with the cause lets the count begin anew.
Counts lie in shards, so that workers do not wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from chalicelib.core.canonical import short_hash
from chalicelib.core.effects import Effect
from chalicelib.core.feedback import COMPLAINT, HARD_BOUNCE
from chalicelib.core.instants import CLOCK_SKEW_SECONDS, DAY_SECONDS

SHARDS = 8
WINDOW_DAYS = 7
LEAST_SENT = 1_000
# Under six complaints chance alone explains the share: at a true 0.02 % of a few thousand mails,
# five come about once in a hundred weeks.
LEAST_COMPLAINED = 6
BOUNCED_BASIS_POINTS = 400
COMPLAINED_BASIS_POINTS = 8
_WHOLE = 10_000  # basis points
Opened = Literal["breaker_bounces", "breaker_complaints"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Mails of one day: how many the provider took, and what became of some of them."""

    sent: int = 0
    bounced: int = 0
    complained: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            self.sent + other.sent,
            self.bounced + other.bounced,
            self.complained + other.complained,
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """One shard of the counts.

    Attributes:
        by_day: by the day on which the mails were sent, days since 1970-01-01.
        since: mails sent before this moment are not counted; 0 when the count never began anew.
    """

    by_day: Mapping[int, Counts] = field(default_factory=dict)
    since: int = 0


@dataclass(frozen=True, slots=True)
class Restart:
    """That an operator let the count begin anew.

    Attributes:
        at: when, in epoch seconds.
        reason: the operator's words.
        by_day: what was counted by then, and is no longer.
    """

    at: int
    reason: str
    by_day: Mapping[int, Counts]


# All restarts of late, the last one last.
Restarts = tuple[Restart, ...]
MOST_RESTARTS = 50


def shard_of(effect_id: str) -> str:
    """The shard that counts a mail; always the same one."""
    return str(int(short_hash("breaker", effect_id, digits=8), 16) % SHARDS)


def news(before: Effect, after: Effect) -> Counts:
    """What is to be counted when an effect has heard more: each thing once for each mail."""
    return Counts(
        sent=int(not before.heard and bool(after.heard)),
        bounced=_first(HARD_BOUNCE, before, after),
        complained=_first(COMPLAINT, before, after),
    )


def _first(begins: str, before: Effect, after: Effect) -> int:
    def heard(effect: Effect) -> bool:
        return any(word.startswith(begins) for word in effect.heard)

    return int(heard(after) and not heard(before))


def add_to(tally: Tally, counts: Counts, *, sent_at: int, now: int) -> Tally:
    """Count; days that have left the window are forgotten, and mails from them are not counted.

    Nor are mails from before the count began anew, whenever they bounce.
    """
    first = _first_day(now)
    day = sent_at // DAY_SECONDS
    by_day = {each: known for each, known in tally.by_day.items() if each >= first}
    # Whoever let it begin anew had a clock of their own; one that is far ahead counts for nothing.
    since = tally.since if tally.since <= now + CLOCK_SKEW_SECONDS else 0
    if day >= first and sent_at >= since:
        by_day[day] = by_day.get(day, Counts()) + counts
    return Tally(by_day, since)


def restart(*, now: int) -> Tally:
    """What each shard is when the count begins anew."""
    return Tally(since=now)


def window(tallies: Iterable[Tally], *, now: int) -> Mapping[int, Counts]:
    """The days that count, oldest first, over all shards."""
    first = _first_day(now)
    by_day: dict[int, Counts] = {}
    for tally in tallies:
        for day, counts in tally.by_day.items():
            if day >= first:
                by_day[day] = by_day.get(day, Counts()) + counts
    return dict(sorted(by_day.items()))


def total_of(by_day: Mapping[int, Counts]) -> Counts:
    """Several days together."""
    return sum(by_day.values(), Counts())


def opened_by(tallies: Iterable[Tally], *, now: int) -> Opened | None:
    """What has opened the breaker, None while it is closed."""
    total = total_of(window(tallies, now=now))
    if total.sent < LEAST_SENT:
        return None
    if total.bounced * _WHOLE >= total.sent * BOUNCED_BASIS_POINTS:
        return "breaker_bounces"
    enough = total.complained >= LEAST_COMPLAINED
    if enough and total.complained * _WHOLE >= total.sent * COMPLAINED_BASIS_POINTS:
        return "breaker_complaints"
    return None


def _first_day(now: int) -> int:
    return now // DAY_SECONDS - WINDOW_DAYS + 1


def tally_to_json(tally: Tally) -> dict[str, Any]:
    """The stored form."""
    return {"by_day": _days_to_json(tally.by_day), "since": tally.since}


def tally_from_json(stored: Mapping[str, Any]) -> Tally:
    """Undo ``tally_to_json``; a shard from before counts could begin anew never did."""
    return Tally(_days_from_json(stored["by_day"]), stored.get("since", 0))


def restarts_to_json(restarts: Restarts) -> dict[str, Any]:
    """The stored form."""
    return {
        "restarts": [
            {"at": each.at, "reason": each.reason, "by_day": _days_to_json(each.by_day)}
            for each in restarts
        ]
    }


def restarts_from_json(stored: Mapping[str, Any]) -> Restarts:
    """Undo ``restarts_to_json``."""
    return tuple(
        Restart(each["at"], each["reason"], _days_from_json(each["by_day"]))
        for each in stored["restarts"]
    )


def _days_to_json(by_day: Mapping[int, Counts]) -> dict[str, list[int]]:
    return {
        str(day): [counts.sent, counts.bounced, counts.complained] for day, counts in by_day.items()
    }


def _days_from_json(stored: Mapping[str, list[int]]) -> dict[int, Counts]:
    return {int(day): Counts(*counts) for day, counts in stored.items()}
