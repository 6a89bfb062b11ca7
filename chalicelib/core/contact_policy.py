"""How often and when a person is written to: the cap, and the quiet hours where they are.

The cap counts marketing mails to an address in a rolling window, over all actions and accounts.
Quiet hours are hours of the wall clock in the recipient's own zone, whatever daylight saving does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from chalicelib.core.cool_downs import CoolDown
from chalicelib.core.instants import CLOCK_SKEW_SECONDS, DAY_SECONDS

# A permission is used within the life of the worker that got it, so quiet begins that much sooner.
MARGIN_SECONDS = 60
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class QuietHours(BaseModel):
    """From when to when nobody is mailed, on the clock on the wall; it may span midnight."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    start: str = Field(pattern=_CLOCK)
    end: str = Field(pattern=_CLOCK)

    @model_validator(mode="after")
    def _leaves_a_while(self) -> QuietHours:
        if self.start == self.end:
            raise ValueError("end: must differ from start, or nobody is ever mailed")
        return self

    def hold(self, clock: time) -> bool:
        """Whether this time of day is quiet."""
        start, end = _time(self.start), _time(self.end)
        if start < end:
            return start <= clock < end
        return clock >= start or clock < end


class ContactPolicy(BaseModel):
    """What holds for all marketing mail together.

    Attributes:
        max_marketing_mails: so many to one address within the window.
        window_days: the rolling window of the cap.
        quiet_hours: when nobody is mailed; None for no such hours.
        default_time_zone: the zone of whoever named none, or none that exists.
        cool_downs: how long an order or the use of a code keeps actions away.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    max_marketing_mails: int = Field(default=4, ge=1, le=32)
    window_days: int = Field(default=7, ge=1, le=90)
    quiet_hours: QuietHours | None = None
    default_time_zone: str = "UTC"
    cool_downs: tuple[CoolDown, ...] = ()

    @field_validator("default_time_zone")
    @classmethod
    def _exists(cls, name: str) -> str:
        if _zone(name) is None:
            raise ValueError("must be an IANA time zone such as Europe/Berlin")
        return name

    @property
    def memory_seconds(self) -> int:
        """How long a mail counts: the window, and what two workers' clocks may differ by."""
        return self.window_days * DAY_SECONDS + CLOCK_SKEW_SECONDS


@dataclass(frozen=True, slots=True)
class Mailed:
    """The marketing mails to one address of late, each effect with the moment of its permission.

    An effect that is permitted again takes its own place, so a mail is counted once.
    """

    at_by_effect: Mapping[str, int] = field(default_factory=dict)


def is_capped(mailed: Mailed | None, effect_id: str, *, policy: ContactPolicy, now: int) -> bool:
    """Whether another mail would be one too many."""
    others = _within(mailed, policy, now).keys() - {effect_id}
    return len(others) >= policy.max_marketing_mails


def mails_left(mailed: Mailed | None, *, policy: ContactPolicy, now: int) -> int:
    """How many more mails the cap leaves an address."""
    return max(0, policy.max_marketing_mails - len(_within(mailed, policy, now)))


def count_mail(mailed: Mailed | None, effect_id: str, *, policy: ContactPolicy, now: int) -> Mailed:
    """Count a mail; what has left the window is forgotten."""
    return Mailed({**_within(mailed, policy, now), effect_id: now})


def quiet_until(zone_name: str | None, *, policy: ContactPolicy, now: int) -> int | None:
    """When the quiet hours end that a mail sent now would fall into, None when it would not.

    Args:
        zone_name: the recipient's IANA time zone as they said it.
        policy: which hours are quiet.
        now: the moment of sending.
    """
    quiet = policy.quiet_hours
    if quiet is None:
        return None
    zone = _zone(zone_name or policy.default_time_zone) or _zone(policy.default_time_zone)
    if zone is None:  # pragma: no cover - the policy's own zone exists
        return None
    if not any(_is_quiet(moment, quiet, zone) for moment in (now, now + MARGIN_SECONDS)):
        return None
    return next(
        moment
        for moment in _ends(now, quiet, zone)
        if moment > now and not _is_quiet(moment, quiet, zone)
    )


def _within(mailed: Mailed | None, policy: ContactPolicy, now: int) -> dict[str, int]:
    if mailed is None:
        return {}
    begin = now - policy.memory_seconds
    return {effect_id: at for effect_id, at in mailed.at_by_effect.items() if at > begin}


def _is_quiet(moment: int, quiet: QuietHours, zone: ZoneInfo) -> bool:
    return quiet.hold(datetime.fromtimestamp(moment, zone).time())


def _ends(now: int, quiet: QuietHours, zone: ZoneInfo) -> Iterator[int]:
    """Moments at which the wall clock shows the end, from a day ago on, in order.

    Where clocks are set back, an end comes twice. Where they are set forward over it, it is the
    moment as far behind the gap as it would have been into it.
    """
    end = _time(quiet.end)
    today = datetime.fromtimestamp(now, zone).date()
    # Two days on is enough anywhere: a zone has skipped a whole day, and none has skipped two.
    for day in range(-1, 4):
        wall = datetime.combine(today + timedelta(day), end)
        folds = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        yield from sorted({int(each.astimezone(UTC).timestamp()) for each in folds})


def _time(text: str) -> time:
    return time.fromisoformat(text)


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def mailed_to_json(mailed: Mailed) -> dict[str, Any]:
    """The stored form."""
    return {"at_by_effect": dict(mailed.at_by_effect)}


def mailed_from_json(stored: Mapping[str, Any]) -> Mailed:
    """Undo ``mailed_to_json``."""
    return Mailed(stored["at_by_effect"])
