"""Into how many parts a big file is divided; every size follows from where a file is a big one."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

RANGES = 250  # so many are aimed at
MOST_RANGE_BYTES = 64_000_000
MOST_PARTITIONS = 4_000
# What folding an orders file writes: a new customer with one order and an offer is 8 items, and a
# row some 40 bytes.
ITEMS_A_BYTE = 0.2
# Half of what a function has, so that it ends although storage is busy.
PARTITION_SECONDS = 450


@dataclass(frozen=True, slots=True)
class Sizes:
    """How files are divided that are larger than ``above_bytes``.

    Attributes:
        above_bytes: the largest text that stays in one function.
        parts_in_one: how many parts that would be at most.
        items_per_second: how fast one function may write.
    """

    above_bytes: int = 64_000_000
    parts_in_one: int = 8
    items_per_second: float = 1_000.0

    @property
    def part_bytes(self) -> int:
        """The least that is worth a call of its own."""
        return max(self.above_bytes // self.parts_in_one, 1)

    def range_bytes(self, size_bytes: int) -> int:
        """How long a range of a file of this size is to be."""
        return max(min(size_bytes // RANGES, MOST_RANGE_BYTES), self.part_bytes)

    def partitions(self, size_bytes: int) -> int:
        """Into how many partitions the customers of a text of this size go.

        Enough for each to be folded at its rate within the time of a function, up to a bound beyond
        which only a higher rate helps.
        """
        by_size = -(-size_bytes // self.part_bytes)
        by_rate = ceil(size_bytes * ITEMS_A_BYTE / (self.items_per_second * PARTITION_SECONDS))
        return min(max(by_size, by_rate), MOST_PARTITIONS)
