"""How far a drop has come, how fast it goes, and when it will be done; as its item says by now.

The item is saved once a second at most, so the pace is that of the phase up to the last save. It
is unknown before anything was done, and where nothing was heard of for so long that nobody can be
taken to be at work: the queue will bring the file to another worker.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.control import Drop, DropPhase

# Longer than a worker is silent in the middle of records, whatever storage does.
SILENT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a drop that is not done stands.

    Attributes:
        phase: what the work is at; None when nobody has said.
        records: how many there are; None while the file has not been read.
        done: how many of them were folded, known already, or rejected.
        rejected: how many of them were rejected.
        per_second: records a second in this phase; None where it cannot be known.
        seconds_left: until all records are done with at that pace; None where it cannot be known.
    """

    phase: DropPhase | None
    records: int | None
    done: int
    rejected: int
    per_second: float | None
    seconds_left: int | None


def progress_of(drop: Drop, *, now: int) -> Progress | None:
    """Read a drop's progress at a moment; None when it has come to its end."""
    if drop.state != "RUNNING":
        return None
    records, done = drop.counts.get("records"), drop.done
    per_second, silent_seconds = _pace(drop), max(0, now - drop.changed_at)
    if silent_seconds > SILENT_SECONDS:
        per_second = None
    seconds_left = None
    if per_second is not None and records is not None:
        # Whole seconds, rounded up: what is not done with yet never has 0 left.
        whole = -int(-max(0, records - done) // per_second)
        seconds_left = max(0, whole - silent_seconds)
    return Progress(
        phase=drop.phase,
        records=records,
        done=done,
        rejected=drop.counts.get("rejected", 0),
        per_second=per_second,
        seconds_left=seconds_left,
    )


def _pace(drop: Drop) -> float | None:
    """Records a second since the phase began; only records are done one by one."""
    if drop.phase not in ("folding", "scoring") or drop.phase_at is None:
        return None
    seconds, done = drop.changed_at - drop.phase_at, drop.done - drop.phase_from
    return done / seconds if seconds > 0 and done > 0 else None
