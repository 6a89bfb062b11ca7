"""Whether another code of an action may be issued, and what issuing it takes.

Counts are taken when a code is issued, in the write that issues it. Money is not: it is held by
whoever reserves the code, so asking for codes drains no budget. But a budget that is used up
offers nothing, since a code that no cart can reserve is a broken promise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from chalicelib.core.actions import Action, OfferLimits, OfferTerms
from chalicelib.core.allotments import (
    DRY_SECONDS,
    SHARDS,
    Allotment,
    make_room,
    shard_of,
    shift,
)
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import ALLOTMENT, GUEST_WINDOW_SECONDS, ISSUED, LIVE_OFFER
from chalicelib.core.storage import AtVersion, Found, Key, Put, Write
from chalicelib.core.subject import Subject

Counted = Literal["codes", "money"]


class OneShardIsNotEnough(Exception):
    """The shard that was read cannot say whether the total is used up; all of them can."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What limits leave of a policy's offers for one customer.

    Attributes:
        refused: why an action may not issue another code, by action.
        takes: what issuing its code writes besides the code, by action.
        marks: that a shard found all of them used up, so that it need not look again so soon.
        over: where a code that has expired still stands, its version: a new one takes its place.
    """

    refused: Mapping[str, str] = field(default_factory=dict)
    takes: Mapping[str, tuple[Write, ...]] = field(default_factory=dict)
    marks: tuple[Write, ...] = ()
    over: Mapping[str, int] = field(default_factory=dict)


NO_LIMITS = Limits()


def allotment_key(action_id: str, counted: Counted, shard: int) -> Key[Allotment]:
    """Where one part of an action's count or budget lies."""
    return ALLOTMENT.key(action_id, counted, str(shard))


def limit_keys(
    actions: Iterable[Action], subject_key: str, *, attempt: int = 1, whole: bool
) -> list[Key[Any]]:
    """What must be known to weigh these actions; nothing for those without limits.

    Args:
        actions: those that a placement knows.
        subject_key: whom a code would be issued to.
        attempt: every attempt takes from another shard, out of the way of who was faster.
        whole: whether all shards are read, or the one that is taken from.
    """
    keys: list[Key[Any]] = []
    for action_id, limits in _limited(actions):
        if limits.codes_per_customer is not None:
            keys.append(ISSUED.key(subject_key, action_id))
        home = home_of(action_id, subject_key, attempt)
        shards = range(SHARDS) if whole else (home,)
        for counted, total in _totals(limits):
            if total is not None:
                keys += [allotment_key(action_id, counted, number) for number in shards]
    return keys


def home_of(action_id: str, subject_key: str, attempt: int) -> int:
    """The shard from which a customer's code is taken."""
    return shard_of(action_id, subject_key, str(attempt))


def weigh(
    actions: Iterable[Action],
    subject_key: str,
    found: Found,
    *,
    now: int,
    attempt: int = 1,
    whole: bool,
) -> Limits:
    """Say which actions may issue another code, from what stands under their ``limit_keys``.

    Raises OneShardIsNotEnough; never when all shards were read.
    """
    refused: dict[str, str] = {}
    takes: dict[str, tuple[Write, ...]] = {}
    marks: list[Write] = []
    over: dict[str, int] = {}
    for action in actions:
        if action.offer is None:
            continue
        live = found.stored(LIVE_OFFER.key(subject_key, action.id))
        if live is not None and live.value.expires_at > now:
            continue
        if live is not None:
            over[action.id] = live.version
        if not action.offer.limits.limit_anything:
            continue
        one = _One(action.id, action.offer, subject_key, found, now, attempt, whole)
        match one.weigh():
            case str() as reason:
                refused[action.id] = reason
                marks += one.marks
            case writes:
                takes[action.id] = tuple(writes)
    return Limits(refused, takes, tuple(marks), over)


@dataclass(slots=True)
class _One:
    """One action, weighed for one customer."""

    action_id: str
    terms: OfferTerms
    subject_key: str
    found: Found
    now: int
    attempt: int
    whole: bool
    marks: list[Write] = field(default_factory=list)

    def weigh(self) -> list[Write] | str:
        """What issuing a code takes, or why none may be issued."""
        limits = self.terms.limits
        writes: list[Write] = []
        if limits.codes_per_customer is not None:
            key = ISSUED.key(self.subject_key, self.action_id)
            known = self.found.value(key) or {"count": 0}
            if known["count"] >= limits.codes_per_customer:
                return "limit_reached"
            issued = {
                "count": known["count"] + 1,
                "subject": self.subject_key,
                "since": known.get("since", self.now),
            }
            at = AtVersion(self.found.version(key))
            writes.append(Put(key, issued, at, expires_at=self._count_expires_at))
        if limits.codes is not None:
            shards = self._room("codes", 1, limits.codes)
            if shards is None:
                return "limit_reached"
            home = self._home
            writes += self._puts("codes", {**shards, home: shift(shards[home], spent=1)})
        if limits.budget_minor is not None and self._home_shard("money") is not None:
            # Nobody has reserved anything where nothing is stored yet: all of it is there.
            least = self.terms.value if self.terms.kind == "amount_off" else 1
            shards = self._room("money", least, limits.budget_minor)
            if shards is None:
                return "budget_exhausted"
            if len(shards) > 1:
                writes += self._puts("money", shards)
        return writes

    @property
    def _count_expires_at(self) -> int | None:
        """A customer's count stays; a guest's is forgotten with the guest, or after their code."""
        if Subject.from_key(self.subject_key).kind == "customer":
            return None
        return self.now + max(GUEST_WINDOW_SECONDS, self.terms.valid_days * DAY_SECONDS)

    @property
    def _home(self) -> int:
        return home_of(self.action_id, self.subject_key, self.attempt)

    def _home_shard(self, counted: Counted) -> Allotment | None:
        return self.found.value(allotment_key(self.action_id, counted, self._home))

    def _room(self, counted: Counted, amount: int, total: int) -> dict[int, Allotment] | None:
        """The shards with room in the one that is taken from; None when there is no room."""
        mine = self._home_shard(counted)
        if mine is not None and mine.total == total and mine.dry_until > self.now:
            return None
        numbers: Sequence[int] = range(SHARDS) if self.whole else (self._home,)
        at_hand = {
            number: self.found.value(allotment_key(self.action_id, counted, number))
            for number in numbers
        }
        shards = make_room(at_hand, home=self._home, amount=amount, total=total)
        if shards == "look_at_all":
            raise OneShardIsNotEnough
        if isinstance(shards, str):
            if mine is not None:
                dry = replace(mine, dry_until=self.now + DRY_SECONDS)
                self.marks += self._puts(counted, {self._home: dry})
            return None
        return shards

    def _puts(self, counted: Counted, shards: Mapping[int, Allotment]) -> list[Write]:
        keys = {n: allotment_key(self.action_id, counted, n) for n in shards}
        return [
            Put(keys[number], shard, AtVersion(self.found.version(keys[number])))
            for number, shard in shards.items()
        ]


def _limited(actions: Iterable[Action]) -> Iterable[tuple[str, OfferLimits]]:
    return ((action.id, action.offer.limits) for action in actions if action.offer is not None)


def _totals(limits: OfferLimits) -> tuple[tuple[Counted, int | None], ...]:
    return ("codes", limits.codes), ("money", limits.budget_minor)
