"""Counts and budgets that many write at once, dealt out to shards.

A total (so many codes, so much money) is dealt out as one allotment to each shard, and whoever
takes something takes it from one shard. In each shard ``spent + held ≤ allotted``, and together
the shards are never allotted more than the total; so the total holds without anyone adding up. A
shard that is dry is given what other shards have left, in the same write that takes from it, so
that a total can be used to the end.

>>> shards = deal_out(20, {})
>>> sum(shard.allotted for shard in shards.values()), shards[0].allotted, shards[15].allotted
(20, 2, 1)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from chalicelib.core.canonical import short_hash

SHARDS = 16
# How long a shard says "used up" without looking at the others again.
DRY_SECONDS = 60

# What stands in some shards; None where nothing was stored yet.
AtHand = Mapping[int, "Allotment | None"]
NoRoom = Literal["look_at_all", "exhausted"]


@dataclass(frozen=True, slots=True)
class Allotment:
    """One shard's part of a total.

    Attributes:
        total: the total that was dealt out when all shards were last written together.
        allotted: this shard's part of it.
        held: of that, earmarked.
        spent: of that, gone.
        dry_until: until when all shards are taken to be used up, 0 when they are not.
    """

    total: int
    allotted: int
    held: int = 0
    spent: int = 0
    dry_until: int = 0

    @property
    def used(self) -> int:
        """What is not to be had any more."""
        return self.held + self.spent

    @property
    def room(self) -> int:
        """What is left; never negative."""
        return max(0, self.allotted - self.used)


def shard_of(*names: str) -> int:
    """The shard from which something of this name is taken."""
    return int(short_hash(*names, digits=8), 16) % SHARDS


def deal_out(total: int, standing: AtHand) -> dict[int, Allotment]:
    """Deal a total out to all shards anew; what is used stays where it was used.

    When more is used than there is now to deal out, no shard has room.
    """
    used = {number: standing.get(number) or Allotment(total, 0) for number in range(SHARDS)}
    left = max(0, total - sum(shard.used for shard in used.values()))
    each, odd = divmod(left, SHARDS)
    return {
        number: Allotment(total, shard.used + each + (number < odd), shard.held, shard.spent)
        for number, shard in used.items()
    }


def make_room(
    at_hand: AtHand, *, home: int, amount: int, total: int
) -> dict[int, Allotment] | NoRoom:
    """See that a shard has room for an amount.

    Args:
        at_hand: the shards that were read; either some, with ``home`` among them, or all.
        home: the shard to take from.
        amount: what is wanted; positive.
        total: what all shards may be allotted together.

    Returns:
        The shards that must be written together, ``home`` among them with room for the amount;
        ``look_at_all`` when this shard alone cannot say; ``exhausted`` when all together have
        less than the amount.
    """
    mine = at_hand.get(home)
    if mine is not None and mine.total == total and mine.room >= amount:
        return {home: mine}
    if len(at_hand) < SHARDS:
        return "look_at_all"
    standing = {number: shard for number, shard in at_hand.items() if shard is not None}
    if len(standing) == SHARDS and all(shard.total == total for shard in standing.values()):
        shards, changed = standing, {home: standing[home]}
    else:
        shards = deal_out(total, standing)
        changed = dict(shards)
    if sum(shard.room for shard in shards.values()) < amount:
        return "exhausted"
    return changed | _gather_room(shards, home=home, amount=amount)


def _gather_room(
    shards: Mapping[int, Allotment], *, home: int, amount: int
) -> dict[int, Allotment]:
    """Let the richest give until there is room: half of what they have left, more if it needs."""
    taker, changed = shards[home], {}
    donors = sorted((n for n in shards if n != home), key=lambda n: (-shards[n].room, n))
    for number in donors:
        missing = amount - taker.room
        if missing <= 0:
            break
        donor = shards[number]
        given = min(donor.room, max(missing, donor.room // 2))
        changed[number] = replace(donor, allotted=donor.allotted - given)
        taker = replace(taker, allotted=taker.allotted + given)
    return {**changed, home: replace(taker, dry_until=0)}


def shift(shard: Allotment, *, held: int = 0, spent: int = 0) -> Allotment:
    """Change what is held and spent by so much; raises ValueError when that does not fit."""
    after = replace(shard, held=shard.held + held, spent=shard.spent + spent)
    grows = held + spent
    if after.held < 0 or after.spent < 0 or (grows > 0 and after.used > after.allotted):
        raise ValueError("an allotment holds and spends what it has")
    return replace(after, dry_until=0) if grows < 0 else after


def allotment_to_json(allotment: Allotment) -> dict[str, Any]:
    """The stored form."""
    return {
        "total": allotment.total,
        "allotted": allotment.allotted,
        "held": allotment.held,
        "spent": allotment.spent,
        "dry_until": allotment.dry_until,
    }


def allotment_from_json(stored: Mapping[str, Any]) -> Allotment:
    """Undo ``allotment_to_json``."""
    return Allotment(**stored)
