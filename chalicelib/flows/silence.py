"""The schedule: profiles whose review has come, because silence alone has changed something.

Gather: the due index names them, shard by shard, and one read brings a shard's profiles. Decide:
each is settled as of now, which finds a segment that has lapsed or a checkout left alone. Apply:
one write for each profile. A run that fails or is cut short loses nothing: what was not stored is
still due. Whoever else saved a profile meanwhile has settled it, too, and is believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.errors import Broken, SegueError, Transient
from chalicelib.core.kinds import CONTACT, FACTS
from chalicelib.core.ports import Store
from chalicelib.core.rules import Rules
from chalicelib.core.storage import ABSENT, Conflict, Delete, Found, Key
from chalicelib.core.subject import DUE_SHARDS, Subject
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.settled import (
    EventPorts,
    Given,
    Review,
    decision_keys,
    review,
    review_writes,
    tell,
)
from chalicelib.flows.wordless import wordless
from chalicelib.telemetry import log_event

__all__ = ["EventPorts", "review_due"]

# What one run takes on: 8 shards × 150 writes of some 10 ms leave room within the function's 50 s.
MOST_PER_SHARD = 150
# How often a profile may lose a race within one run; after that it waits for the next run.
MOST_ROUNDS = 4
COUNTED = (
    "due",
    "settled",
    "transitions",
    "abandoned",
    "decisions",
    "gone",
    "not_due",
    "postponed",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the schedule.

    Attributes:
        store: where profiles lie.
        given: documents and the moment.
        counts: what became of the profiles.
        troubles: what went wrong without stopping the run.
    """

    store: Store
    given: Given
    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(COUNTED, 0)))
    troubles: list[SegueError] = field(default_factory=list)


@wordless
def review_due(
    *,
    ports: EventPorts,
    rules: Rules,
    keys: SigningKeys,
    now: int,
    correlation_id: str,
    most_per_shard: int = MOST_PER_SHARD,
) -> dict[str, int]:
    """Settle what is due at ``now``; return how many profiles were due and what became of them.

    ``gone`` expired or were erased, ``not_due`` were settled meanwhile, ``postponed`` lost every
    race and stay due. Raises what went wrong first, once everything else is done.
    """
    run = Run(ports.store, Given(rules, keys, now, correlation_id))
    for shard in range(DUE_SHARDS):
        try:
            due = run.store.due(shard=shard, now=now, limit=most_per_shard)
            run.counts["due"] += len(due)
            _review_all([subject for subject, _ in due], run)
        except Transient as error:
            # The other shards may lie on other partitions; this one is still due next time.
            run.troubles.append(error)
    log_event(
        "reviewed",
        due=run.counts["due"],
        transitions=run.counts["transitions"],
        abandoned=run.counts["abandoned"],
        decisions=run.counts["decisions"],
        failed=len(run.troubles),
        correlation_id=correlation_id,
    )
    if run.troubles:
        raise run.troubles[0]
    return dict(run.counts)


def _review_all(subjects: Sequence[Subject], run: Run) -> None:
    """Settle these profiles; one that is unreadable does not hold up the others."""
    try:
        _review_in_rounds(subjects, run)
    except Broken as error:
        if len(subjects) == 1:
            run.troubles.append(error)
            return
        middle = len(subjects) // 2
        _review_all(subjects[:middle], run)
        _review_all(subjects[middle:], run)


def _review_in_rounds(subjects: Sequence[Subject], run: Run) -> None:
    for _ in range(MOST_ROUNDS):
        if not subjects:
            return
        subjects = _review_once(subjects, run)
    run.counts["postponed"] += len(subjects)


def _review_once(subjects: Sequence[Subject], run: Run) -> list[Subject]:
    """Settle and save each profile; return those that somebody else wrote to meanwhile."""
    found = run.store.read(_keys(subjects), now=run.given.now)
    reviews = _reviews(subjects, found, run.given)
    keys = decision_keys(reviews, run.given)
    standing = run.store.read(keys, now=run.given.now) if keys else Found({}, now=run.given.now)
    gone = [subject for subject in subjects if found.value(FACTS.key(subject.key)) is None]
    run.counts["not_due"] += len(subjects) - len(gone) - len(reviews)
    for subject in gone:
        _forget(subject, run)
    return [each.settled.facts.subject for each in reviews if not _save(each, standing, run)]


def _keys(subjects: Sequence[Subject]) -> list[Key[Any]]:
    return [kind.key(subject.key) for subject in subjects for kind in (FACTS, CONTACT)]


def _reviews(subjects: Sequence[Subject], found: Found, given: Given) -> list[Review]:
    """Settle those that are really due; the index follows the profiles with a delay."""
    reviews = []
    for subject in subjects:
        stored = found.stored(FACTS.key(subject.key))
        due = None if stored is None else stored.value.review_at
        if stored is not None and due is not None and due <= given.now:
            contact = found.value(CONTACT.key(subject.key))
            # Looking at a guest is no sign of life: the day on which they expire stays.
            version, expires_at = stored.version, stored.expires_at
            reviews.append(
                review(stored.value, contact, version=version, expires_at=expires_at, given=given)
            )
    return reviews


def _save(each: Review, standing: Found, run: Run) -> bool:
    """Save one profile with all that follows; False when somebody else wrote to it meanwhile."""
    writes, decisions = review_writes([each], standing, run.given)
    try:
        run.store.write(writes, now=run.given.now)
    except Conflict:
        return False
    run.counts["settled"] += 1
    run.counts["transitions"] += each.settled.transition is not None
    run.counts["abandoned"] += each.settled.abandoned_checkout_at is not None
    run.counts["decisions"] += len(decisions)
    tell([each], decisions, run.given)
    return True


def _forget(subject: Subject, run: Run) -> None:
    """Remove what has expired, or the index would name it until TTL gets to it, days later."""
    run.counts["gone"] += 1
    try:
        run.store.write([Delete(FACTS.key(subject.key), ABSENT)], now=run.given.now)
    except Conflict:
        return  # they are back: whoever saved them has settled them
