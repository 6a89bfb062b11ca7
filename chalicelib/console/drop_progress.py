"""How far a drop is, as a bar and in words."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.control import Drop
from chalicelib.core.progress import Progress, progress_of


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of progress.

    Attributes:
        done: how much of this phase is done, in whole percent; None where nobody can say.
        words: the same in words, and how long is left.
    """

    done: int | None
    words: str


def bar_of(drop: Drop, *, now: int) -> Bar | None:
    """The bar of a drop that is worked on; None when it has come to its end."""
    progress = progress_of(drop, now=now)
    return None if progress is None else Bar(_percent(progress), _words(progress))


def _percent(progress: Progress) -> int | None:
    """By parts while a file is read, or scored, in parts; by records otherwise."""
    done, of = progress.done, progress.records
    if progress.parts is not None and progress.phase != "folding":
        done, of = progress.parts_done or 0, progress.parts
    return min(100, 100 * done // of) if of else None


def _words(progress: Progress) -> str:
    told: list[str] = [progress.phase or "waiting"]
    if progress.parts is not None:
        told.append(f"{progress.parts_done:,} of {progress.parts:,} parts")
    if progress.records:
        told.append(f"{progress.done:,} of {progress.records:,} records")
    if progress.per_second is not None:
        told.append(f"{progress.per_second:,.0f} a second")
    if progress.seconds_left is not None:
        told.append(f"{lasting(progress.seconds_left)} left")
    return ", ".join(told)


def lasting(seconds: int) -> str:
    """A length of time for a person.

    >>> [lasting(each) for each in (59, 61, 3720)]
    ['59 s', '1 min 1 s', '1 h 2 min']
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes_of_hour = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_of_hour} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
