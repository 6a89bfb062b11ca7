"""A simulation as work that is done in portions, with what it has counted so far.

There is one job for each policy. It names itself by a run, so that a message of a run before leads
nowhere. What was counted stands beside the mark up to which it was, and both are saved in one
write: a portion counts once or not at all, however often it is worked on.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from chalicelib.core.canonical import short_hash
from chalicelib.core.errors import BadInput
from chalicelib.core.instants import DAY_SECONDS, format_instant

# The decision log is kept for 29 days, of which the first and the last are no whole ones.
MOST_DAYS = 28
MOST_DECISIONS = 20_000
DEFAULT_DAYS, DEFAULT_DECISIONS = 7, 5_000
KEPT_SECONDS = 29 * DAY_SECONDS
# Work is heard of every second or so. Whoever has waited for this long may ask for it once more:
# it costs a message, and counts nothing twice even where it only waits behind a file.
SILENT_SECONDS = 300
# So many decisions are held while the fewest of them are looked for.
_HELD = 4

State = Literal["QUEUED", "RUNNING", "DONE", "OVERTAKEN", "GONE", "FAILED"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for.

    Attributes:
        days: the whole days before today, and today, whose decisions are looked at; 1 is today.
        most_decisions: so many of them at most; a sample of all where there are more.
    """

    days: int = DEFAULT_DAYS
    most_decisions: int = DEFAULT_DECISIONS


@dataclass(frozen=True, slots=True)
class Sampled:
    """Which decisions are decided again; none of it changes once it is said.

    Attributes:
        key: of the object with their ids.
        total: how many there are.
        found: how many decisions were found in the log that was read.
        files_read: so many files of the log were read.
        files: of so many.
        model: the hash of the model that decides, before and after.
        jurisdictions: the hash of the table of law.
    """

    key: str
    total: int
    found: int
    files_read: int
    files: int
    model: str
    jurisdictions: str


@dataclass(frozen=True, slots=True)
class Job:
    """A simulation on its way.

    Attributes:
        run_id: tells it from another one of the same policy.
        key_id: who asked.
        asked: for what.
        against: the hash of the policy that decided then.
        asked_at: when.
        changed_at: when it was last saved.
        state: OVERTAKEN: another policy, model or law decides by now; GONE: the policy that was
            tried is not stored any more or cannot be read.
        sampled: which decisions; None until the log was looked through.
        begun_at: when the first of them was decided again.
        done: how many of them were looked at.
        skipped: those that could not be decided again.
        counted: what came out, as ``core.comparison`` writes it down.
        reason: why it failed.
    """

    run_id: str
    key_id: str
    asked: Asked
    against: str
    asked_at: int
    changed_at: int
    state: State = "QUEUED"
    sampled: Sampled | None = None
    begun_at: int | None = None
    done: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody is at work, or should be."""
        return self.state in ("QUEUED", "RUNNING")

    @property
    def total(self) -> int | None:
        """How many decisions there are; None until that is known."""
        return None if self.sampled is None else self.sampled.total

    def is_silent(self, now: int) -> bool:
        """Whether it was not heard of for so long that somebody should ask for it once more."""
        return self.is_open and now - self.changed_at > SILENT_SECONDS

    def per_second(self) -> float | None:
        """How many decisions a second, up to the last save; None before that can be known."""
        seconds = 0 if self.begun_at is None else self.changed_at - self.begun_at
        return self.done / seconds if seconds > 0 and self.done else None

    def seconds_left(self) -> int | None:
        """At that pace, rounded up."""
        pace = self.per_second()
        if pace is None or self.total is None:
            return None
        return -int(-(self.total - self.done) // pace)

    @property
    def subject(self) -> str:
        """What it ran on, in words, as it is written down with the policy."""
        last = format_instant(self.asked_at)[:10]
        first = format_instant(self.asked_at - (self.asked.days - 1) * DAY_SECONDS)[:10]
        days = f"decisions of {first}" if first == last else f"decisions of {first} to {last}"
        sampled = self.sampled
        if sampled is None or (sampled.total, sampled.files_read) == (sampled.found, sampled.files):
            return days
        return f"a sample of {sampled.total:,} {days}"


def check_asked(asked: Asked) -> None:
    """Raise BadInput naming what is out of bounds."""
    if not 1 <= asked.days <= MOST_DAYS:
        raise BadInput.of("days", f"must be 1 to {MOST_DAYS}: the log is kept no longer")
    if not 1 <= asked.most_decisions <= MOST_DECISIONS:
        raise BadInput.of("decisions", f"must be 1 to {MOST_DECISIONS:,}")


def reopened(job: Job, *, now: int) -> Job:
    """The same run put on its way again, from where it stands."""
    return replace(job, state="QUEUED", reason=None, changed_at=now)


def ended(job: Job, state: State, *, now: int, reason: str | None = None) -> Job:
    """The run at its end."""
    return replace(job, state=state, reason=reason, changed_at=now)


def advanced(
    job: Job, counted: Mapping[str, Any], *, by: int, skipped: Mapping[str, int], now: int
) -> Job:
    """The job after one more portion; ``counted`` holds everything up to its end."""
    return replace(
        job,
        state="RUNNING",
        done=job.done + by,
        counted=counted,
        skipped=dict(Counter(job.skipped) + Counter(skipped)),
        reason=None,
        changed_at=now,
    )


def fewest(names: Iterable[str], *, most: int, salt: str) -> tuple[list[str], int]:
    """At most so many names, each as likely as any other, and how many different ones there were.

    The same names give the same sample in whatever order they come: those whose hashes are least.
    Names that come again count once, as far as they are still held.
    """
    held: dict[str, str] = {}
    found = 0
    limit: str | None = None
    for name in names:
        mark = short_hash(salt, name, digits=16)
        if held.get(mark) == name:
            continue
        found += 1
        if limit is None or mark < limit:
            held[mark] = name
        if len(held) > most * _HELD:
            kept = heapq.nsmallest(most, held)
            held, limit = {each: held[each] for each in kept}, kept[-1]
    return [held[mark] for mark in heapq.nsmallest(most, held)], found


def job_to_json(job: Job) -> dict[str, Any]:
    """The stored form."""
    return asdict(job)


def job_from_json(stored: Mapping[str, Any]) -> Job:
    """Undo ``job_to_json``."""
    sampled = stored["sampled"]
    return Job(
        **{
            **stored,
            "asked": Asked(**stored["asked"]),
            "sampled": None if sampled is None else Sampled(**sampled),
        }
    )
