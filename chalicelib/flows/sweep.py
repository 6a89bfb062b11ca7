"""The sweep: whatever stands still is put back on its way, and nothing is performed here.

Gather: a sparse index names what should have been looked at by now, shard by shard, and one read
brings it. Decide: ``core.overdue`` says what is really overdue; the index follows the ledger with
a delay. Apply: one queue message for each, and only then the notes that they were queued. A run
that breaks between the two queues some of it twice, and the worker finds it taken or done; the
other way round it could lose what it has noted. So neither a crash nor a second sweep does any
harm.

Each step of ``STEPS`` takes on one kind of thing; one that fails does not hold up the others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any, Protocol

from chalicelib.core.coupons import RESERVED_SHARDS, CodeUnknown, reserved_shard
from chalicelib.core.effects import Effect
from chalicelib.core.errors import Broken, SegueError, Transient
from chalicelib.core.kinds import COUPON, EFFECT
from chalicelib.core.overdue import LANES, SHARDS, Lane, look_at, open_shard, queued_again
from chalicelib.core.ports import Queue, Store
from chalicelib.core.storage import ABSENT, AtVersion, Conflict, Delete, Kind, Put, Stored
from chalicelib.flows.act_log import refused
from chalicelib.flows.code_moves import expire_lapsed
from chalicelib.flows.effect_message import write_message
from chalicelib.flows.wordless import wordless
from chalicelib.telemetry import log_event

# What one run takes on of each shard of effects, 4,800 in all. A hundred take one read, ten calls
# to the queue and one write, some 0.4 s; a code takes some 0.03 s. Both together take 32 s of the
# function's 50.
MOST_PER_SHARD = 200
MOST_CODES_PER_SHARD = 100
# Held mails beyond that, where more may leave in a minute, are taken on while this has not passed:
# a hundred of them and all codes still fit into the rest.
MORE_UNTIL_SECONDS = 34.0
EVERY_SECONDS = 60
_AT_ONCE = 100  # as many as one read and one write hold
COUNTED = ("due", "queued", "not_due", "gone", "moved_on", "freed")


class OverdueIndex(Store, Protocol):
    """Storage that also finds what somebody should have looked at."""

    def overdue(self, kind: Kind[Any], *, shard: str, now: int, limit: int) -> list[str]:
        """Names of things of a kind whose ``look_at`` has come, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class SweepPorts:
    """What the sweep needs from outside.

    Attributes:
        store: the ledger and its index.
        queue: from which effects are performed.
        mails_per_second: how many mails may leave; None when nothing limits it.
    """

    store: OverdueIndex
    queue: Queue
    mails_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the sweep.

    Attributes:
        ports: what it needs from outside.
        now: epoch seconds.
        most_per_shard: how much it takes on.
        goes_on: whether there is time for more than that.
        counts: what became of what was found.
        troubles: what went wrong without stopping the run.
    """

    ports: SweepPorts
    now: int
    most_per_shard: int = MOST_PER_SHARD
    goes_on: Callable[[], bool] = lambda: False
    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(COUNTED, 0)))
    troubles: list[SegueError] = field(default_factory=list)

    def most_of(self, lane: Lane) -> int:
        """How much of each shard of a lane: of held mails as many as leave until the next run."""
        leave = (self.ports.mails_per_second or 0) * EVERY_SECONDS if lane == "held" else 0
        return max(self.most_per_shard, -(-leave // SHARDS))


Step = Callable[[Run], None]


@wordless
def sweep(
    *,
    ports: SweepPorts,
    now: int,
    correlation_id: str,
    most_per_shard: int = MOST_PER_SHARD,
    steps: Sequence[Step] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, int]:
    """Queue again what is overdue at ``now``; return how much was found and what became of it.

    ``queued`` were queued again, ``not_due`` were looked at meanwhile, ``moved_on`` were queued and
    taken up before that was noted, ``gone`` had expired, ``freed`` are codes whose lock had ended.
    ``clock`` counts seconds from any origin, for whether there is time for more held mails.
    Raises what went wrong first, once everything else is done.
    """
    until = clock() + MORE_UNTIL_SECONDS
    run = Run(ports, now, most_per_shard, goes_on=lambda: clock() < until)
    for step in STEPS if steps is None else steps:
        step(run)
    log_event(
        "swept",
        due=run.counts["due"],
        relayed=run.counts["queued"],
        failed=len(run.troubles),
        correlation_id=correlation_id,
    )
    if run.troubles:
        raise run.troubles[0]
    return dict(run.counts)


def queue_overdue_effects(run: Run) -> None:
    """Queue one message for each effect whose turn is over; what a worker had comes first.

    Beyond its portion of each shard it goes on with held mails, a hundred of each shard in turn.
    """
    more: list[list[str]] = []
    for lane in LANES:
        for shard in range(SHARDS):
            found = _overdue(open_shard(lane, shard), run, limit=run.most_of(lane))
            more.append(found[run.most_per_shard :])
            for part in _hundreds(found[: run.most_per_shard]):
                _take_on(part, run)
    turns = zip_longest(*map(_hundreds, more), fillvalue=[])
    for part in chain.from_iterable(turns):
        if not run.goes_on():
            break
        _take_on(part, run)


def _hundreds(effect_ids: Sequence[str]) -> list[Sequence[str]]:
    return [effect_ids[start : start + _AT_ONCE] for start in range(0, len(effect_ids), _AT_ONCE)]


def _overdue(shard: str, run: Run, *, limit: int) -> list[str]:
    try:
        return run.ports.store.overdue(EFFECT, shard=shard, now=run.now, limit=limit)
    except (Transient, Broken) as error:
        # The other shards may lie on other partitions; this one is still due next time.
        run.troubles.append(error)
        return []


def _take_on(effect_ids: Sequence[str], run: Run) -> None:
    """Queue some effects; those that cannot be queued are still due next time."""
    run.counts["due"] += len(effect_ids)
    try:
        _queue_all(effect_ids, run)
    except (Transient, Broken) as error:
        run.troubles.append(error)


def free_lapsed_codes(run: Run) -> None:
    """Give back what carts hold of a budget by a lock that has ended."""
    most = min(run.most_per_shard, MOST_CODES_PER_SHARD)
    for shard in range(RESERVED_SHARDS):
        try:
            found = run.ports.store.overdue(
                COUPON, shard=reserved_shard(shard), now=run.now, limit=most
            )
        except Transient as error:
            run.troubles.append(error)
            continue
        for code in found:
            try:
                run.counts["freed"] += expire_lapsed(code, store=run.ports.store, now=run.now)
            except CodeUnknown:
                run.counts["gone"] += 1
            except (Transient, Broken) as error:
                run.troubles.append(error)


# What a sweep looks after, in this order. A step notes what went wrong in ``run.troubles``.
STEPS: tuple[Step, ...] = (queue_overdue_effects, free_lapsed_codes)


def _queue_all(effect_ids: Sequence[str], run: Run) -> None:
    """Queue these effects; one that is unreadable does not hold up the others."""
    try:
        overdue = _read_overdue(effect_ids, run)
    except Broken as error:
        if len(effect_ids) == 1:
            run.troubles.append(error)
            return
        middle = len(effect_ids) // 2
        _queue_all(effect_ids[:middle], run)
        _queue_all(effect_ids[middle:], run)
        return
    if overdue:
        run.ports.queue.send([write_message(each.value) for each in overdue])
        run.counts["queued"] += len(overdue)
        _note(overdue, run)


def _read_overdue(effect_ids: Sequence[str], run: Run) -> list[Stored[Effect]]:
    """Those that are really overdue, as they stand; raises Broken when one is unreadable."""
    if not effect_ids:
        return []
    found = run.ports.store.read([EFFECT.key(each) for each in effect_ids], now=run.now)
    overdue = []
    for effect_id in effect_ids:
        stored = found.stored(EFFECT.key(effect_id))
        if stored is None:
            _forget(effect_id, run)
            continue
        at = look_at(stored.value)
        if at is not None and at <= run.now:
            overdue.append(stored)
        else:
            run.counts["not_due"] += 1
    return overdue


def _note(queued: Sequence[Stored[Effect]], run: Run) -> None:
    """Write down that effects were queued, save those that somebody has touched since."""
    notes = [
        Put(
            EFFECT.key(each.value.effect_id),
            queued_again(each.value, now=run.now),
            AtVersion(each.version),
            expires_at=each.expires_at,
        )
        for each in queued
    ]
    while notes:
        try:
            return run.ports.store.write(notes, now=run.now)
        except Conflict as conflict:
            left = [note for note in notes if not conflict.lost(note.key)]
            if len(left) == len(notes):
                raise
            run.counts["moved_on"] += len(notes) - len(left)
            notes = left


def _forget(effect_id: str, run: Run) -> None:
    """Remove what has expired, or the index would name it until TTL gets to it, days later.

    It was never finished for as long as the ledger remembers: that is said by name, once.
    """
    run.counts["gone"] += 1
    refused("too_old", effect_id=effect_id)
    try:
        run.ports.store.write([Delete(EFFECT.key(effect_id), ABSENT)], now=run.now)
    except Conflict:
        return  # it was planned anew
