"""Where the parts of a divided drop lie, in the results bucket, by number alone.

Names never depend on when or how often a part was worked on: what is done again replaces what it
did before. Work files are under ``work/DROP_ID/`` and gone within days; results are where those
of an undivided file are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["ranges", "contests", "partitions"]
STAGES: tuple[Stage, ...] = ("ranges", "contests", "partitions")


@dataclass(frozen=True, slots=True)
class Places:
    """The keys of one drop."""

    drop_id: str

    @property
    def plan(self) -> str:
        """What was cut how."""
        return f"work/{self.drop_id}/plan.json"

    @property
    def joined(self) -> str:
        """What the ranges have in common, once all are done."""
        return f"work/{self.drop_id}/joined.json"

    @property
    def done(self) -> str:
        """The prefix of what says which parts are done."""
        return f"work/{self.drop_id}/done/"

    def items(self, attempt: str, stage: Stage) -> str:
        """The numbers that an execution works on."""
        return f"work/{self.drop_id}/items/{attempt}-{stage}.json"

    def done_prefix(self, stage: Stage, number: int) -> str:
        """How the key begins that says that a part is done, and what came of it."""
        return f"{self.done}{stage}/{number:05}-"

    def failed(self, attempt: str, task: str, number: int) -> str:
        """Why a task of an execution failed."""
        return f"work/{self.drop_id}/failed/{attempt}/{task}-{number:05}.json"

    def piece(self, number: int) -> str:
        """A range of a file that could not be cut as it lies."""
        return f"work/{self.drop_id}/pieces/{number:05}"

    def rejects(self, stage: Stage, number: int) -> str:
        """The rejects of one part."""
        return f"work/{self.drop_id}/rejects/{stage}/{number:05}.csv"

    def rows(self, number: int) -> str:
        """The rows of one range, by partition."""
        return f"work/{self.drop_id}/rows/{number:05}"

    def claims(self, number: int) -> str:
        """Whose the orders of one range are, by contest."""
        return f"work/{self.drop_id}/claims/{number:05}"

    def verdicts(self, number: int) -> str:
        """Which orders of one contest are nobody's, or not whole."""
        return f"work/{self.drop_id}/verdicts/{number:05}"

    def result(self, name: str) -> str:
        """A file of the results."""
        return f"results/{self.drop_id}/{name}"
