"""How far a drop has come, how fast it goes, and when it will be done; as its item says by now.

The item is saved once a second at most, so the pace is that of the phase up to the last save. It
is unknown before anything was done, and where nothing was heard of for so long that nobody can be
taken to be at work: the queue will bring the file to another worker.

A file that is worked on in parts says how many there are. While they are read, more and more
records are known of; so how long is left is told by parts where one pass is all there is, and not
at all where a second one follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.control import Drop, DropPhase

# Longer than a worker is silent in the middle of records, whatever storage does.
SILENT_SECONDS = 120
# A part is heard of when it is done, and has this long for it.
SILENT_PARTS_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a drop that is not done stands.

    Attributes:
        phase: what the work is at; None when nobody has said.
        records: how many there are, as far as they were read; None while none was.
        done: how many of them were folded, known already, or rejected.
        rejected: how many of them were rejected.
        per_second: records a second in this phase; None where it cannot be known.
        seconds_left: until all records are done with at that pace; None where it cannot be known.
        parts: into how many this phase divides the file; None where it is one piece.
        parts_done: how many of those are done; None as above.
    """

    phase: DropPhase | None
    records: int | None
    done: int
    rejected: int
    per_second: float | None
    seconds_left: int | None
    parts: int | None = None
    parts_done: int | None = None


def progress_of(drop: Drop, *, now: int) -> Progress | None:
    """Read a drop's progress at a moment; None when it has come to its end."""
    if drop.state != "RUNNING":
        return None
    parts, parts_done = _parts(drop)
    silent_seconds = max(0, now - drop.changed_at)
    is_heard = silent_seconds <= (SILENT_SECONDS if parts is None else SILENT_PARTS_SECONDS)
    left = _seconds_left(drop) if is_heard else None
    return Progress(
        phase=drop.phase,
        records=drop.counts.get("records"),
        done=drop.done,
        rejected=drop.counts.get("rejected", 0),
        per_second=_pace(drop, drop.done - drop.phase_from) if is_heard else None,
        seconds_left=None if left is None else max(0, left - silent_seconds),
        parts=parts,
        parts_done=parts_done,
    )


def _parts(drop: Drop) -> tuple[int | None, int | None]:
    """How many parts the phase has and how many of them are done: partitions when folded."""
    name = "partitions" if drop.phase == "folding" else "ranges"
    parts = drop.counts.get(name)
    return (None, None) if parts is None else (parts, drop.counts.get(f"{name}_done", 0))


def _seconds_left(drop: Drop) -> int | None:
    """At the pace of the phase, in whole seconds rounded up: what is not done never has 0 left."""
    total, done = drop.counts.get("records"), drop.done
    pace = _pace(drop, done - drop.phase_from)
    parts, parts_done = _parts(drop)
    if drop.phase == "scoring" and parts is not None and parts_done is not None:
        total, done, pace = parts, parts_done, _pace(drop, parts_done)
    if pace is None or total is None:
        return None
    return -int(-max(0, total - done) // pace)


def _pace(drop: Drop, done: int) -> float | None:
    """So many a second since the phase began; in the others nothing is done one by one."""
    if drop.phase not in ("folding", "scoring") or drop.phase_at is None:
        return None
    seconds = drop.changed_at - drop.phase_at
    return done / seconds if seconds > 0 and done > 0 else None
