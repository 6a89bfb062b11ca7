"""What an operator sees of segments: sizes of past nights, movements of past hours, examples.

Nothing is counted here: nights and hours have done it. An index names the customers who moved into
a segment last, and their profiles say whether they are there still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chalicelib.core.facts import Facts
from chalicelib.core.groups import SHARDS, segment_group
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import FACTS, ROLLUP, SIZES
from chalicelib.core.ports import Store
from chalicelib.core.rollup import HOUR_SECONDS, movements, names_since, total
from chalicelib.core.segment_sizes import Sizes, days_until
from chalicelib.flows.look_up import GroupIndex

NIGHTS = 90
MOST_EXAMPLES = 20
Days = Literal[7, 28]


@dataclass(frozen=True, slots=True)
class SegmentsView:
    """All segments.

    Attributes:
        nights: every night in which all segments were counted, by its day, oldest first.
        moves: how often somebody moved from one segment to another.
        days: how far back movements go.
    """

    nights: Mapping[str, Sizes]
    moves: Mapping[tuple[str, str], int]
    days: int

    @property
    def names(self) -> set[str]:
        """Every segment that somebody was in, or moved from or to."""
        counted = {name for sizes in self.nights.values() for name in sizes.counts}
        return counted | {name for move in self.moves for name in move}


@dataclass(frozen=True, slots=True)
class Example:
    """A customer in a segment; ``since`` is 0 where nobody knows it."""

    facts: Facts
    since: int


def view_segments(*, store: Store, days: Days, now: int) -> SegmentsView:
    """Sizes of 90 nights and the movements of some days, read by their names."""
    nights = {name: SIZES.key(name) for name in days_until(now, days=NIGHTS)}
    since = now - days * DAY_SECONDS + HOUR_SECONDS
    hours = [ROLLUP.key(name) for name in names_since(since, until=now, stream="effects")]
    found = store.read([*nights.values(), *hours], now=now)
    counted = {name: found.value(key) for name, key in nights.items()}
    whole = {name: each for name, each in counted.items() if each is not None and each.is_whole}
    counts = total(each for key in hours if (each := found.value(key)) is not None)
    return SegmentsView(whole, movements(counts), days)


def latest_of(segment: str, *, store: GroupIndex, now: int) -> Sequence[Example]:
    """The customers who moved into a segment last, as their profiles stand now."""
    groups = [segment_group(segment, shard) for shard in range(SHARDS)]
    members = [each for group in groups for each in store.members(group, limit=MOST_EXAMPLES)]
    customers = [(since, who) for who, since in members if who.kind == "customer"]
    latest = sorted(customers, key=lambda each: (-each[0], each[1].id))[:MOST_EXAMPLES]
    if not latest:
        return ()
    found = store.read([FACTS.key(who.key) for _, who in latest], now=now)
    known = [(found.value(FACTS.key(who.key)), since) for since, who in latest]
    return [
        Example(facts, since)
        for facts, since in known
        if facts is not None and facts.segment == segment
    ]
