"""Once a night: how many customers each segment has, counted in the index and not in the table.

Each segment is written down as soon as it is counted, so a night that broke goes on behind it, and
one that comes twice counts nothing again. A night that was missed is not made up for: nobody knows
any more how many there were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.core.groups import SHARDS, segment_group
from chalicelib.core.kinds import SIZES
from chalicelib.core.ports import Store
from chalicelib.core.segment_sizes import KEPT_SECONDS, Sizes, days_until, to_be_counted
from chalicelib.core.storage import AtVersion, Put
from chalicelib.telemetry import log_event

# Segments that had anybody on one of so many nights before are looked for again: an earlier
# model's do not end on one day, and some nights may have been missed.
PAST_NIGHTS = 14


class CountingStore(Store, Protocol):
    """Storage that can say how many are in a group."""

    def count_group(self, group: str) -> int:
        """How many are in a group."""
        ...


def count_segments(*, store: CountingStore, segments: Sequence[str], now: int) -> Sizes:
    """Count every segment that was not counted tonight.

    Args:
        store: where profiles lie, and what was counted.
        segments: the names that a profile may be given now.
        now: the moment; its day (UTC) names the night.

    Raises:
        Transient: storage did not answer, or another run counts as well; the same can be done
            again.
    """
    *before, tonight = [SIZES.key(name) for name in days_until(now, days=PAST_NIGHTS + 1)]
    found = store.read([*before, tonight], now=now)
    past = [each for key in before if (each := found.value(key)) is not None]
    sizes, version = found.value(tonight) or Sizes(now), found.version(tonight)
    if sizes.is_whole:
        return sizes
    missing = [each for each in to_be_counted(segments, past) if each not in sizes.counts]
    for left in reversed(range(len(missing))):
        segment = missing[-left - 1]
        counted = sum(store.count_group(segment_group(segment, shard)) for shard in range(SHARDS))
        sizes = Sizes(sizes.at, {**sizes.counts, segment: counted}, is_whole=not left)
        put = Put(tonight, sizes, AtVersion(version), sizes.at + KEPT_SECONDS)
        store.write([put], now=now)
        version += 1
    log_event("segments_counted", customers=sizes.total, count=len(sizes.counts))
    return sizes
