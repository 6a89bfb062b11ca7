"""Into how many parts a big file is divided; every size follows from where a file is a big one."""

from __future__ import annotations

from dataclasses import dataclass

RANGES = 250  # so many are aimed at
MOST_RANGE_BYTES = 64_000_000
MOST_PARTITIONS = 500


@dataclass(frozen=True, slots=True)
class Sizes:
    """How files are divided that are larger than ``above_bytes``.

    Attributes:
        above_bytes: the largest text that stays in one function.
        parts_in_one: how many parts that would be at most.
    """

    above_bytes: int = 64_000_000
    parts_in_one: int = 8

    @property
    def part_bytes(self) -> int:
        """The least that is worth a call of its own."""
        return max(self.above_bytes // self.parts_in_one, 1)

    def range_bytes(self, size_bytes: int) -> int:
        """How long a range of a file of this size is to be."""
        return max(min(size_bytes // RANGES, MOST_RANGE_BYTES), self.part_bytes)

    def partitions(self, size_bytes: int) -> int:
        """Into how many partitions the customers of a text of this size go."""
        return min(-(-size_bytes // self.part_bytes), MOST_PARTITIONS)
