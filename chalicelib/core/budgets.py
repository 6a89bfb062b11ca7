"""What is left of the counts and budgets of offers, over all shards, and how it stood on a day.

>>> budget = standing("gift", "money", 1_000, [Allotment(1_000, 600, held=50, spent=100), None])
>>> budget.spent, budget.held, budget.left, budget.used_share
(100, 50, 850, 0.15)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from chalicelib.core.allotments import Allotment
from chalicelib.core.instants import DAY_SECONDS

Counted = Literal["codes", "money"]
# As far as the console looks back, and then some.
KEPT_SECONDS = 100 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Budget:
    """One total of an action's offer.

    Attributes:
        action: whose.
        counted: codes, or minor units of the policy's currency.
        total: what the policy gives.
        held: of that, earmarked by carts.
        spent: of that, gone.
    """

    action: str
    counted: Counted
    total: int
    held: int
    spent: int

    @property
    def left(self) -> int:
        """What is still to be had; never negative, though a policy may have lowered the total."""
        return max(0, self.total - self.held - self.spent)

    @property
    def used_share(self) -> float:
        """Spent and held against the whole; above one where a policy has lowered the total."""
        return (self.spent + self.held) / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class Budgets:
    """Every total as it stood at a moment."""

    at: int
    standing: tuple[Budget, ...]


def standing(
    action: str, counted: Counted, total: int, shards: Iterable[Allotment | None]
) -> Budget:
    """One total over its shards; a shard that was never written has used nothing."""
    known = [shard for shard in shards if shard is not None]
    held, spent = sum(shard.held for shard in known), sum(shard.spent for shard in known)
    return Budget(action, counted, total, held, spent)


def budgets_to_json(budgets: Budgets) -> dict[str, Any]:
    """The stored form."""
    return {"at": budgets.at, "standing": [asdict(each) for each in budgets.standing]}


def budgets_from_json(stored: Mapping[str, Any]) -> Budgets:
    """Undo ``budgets_to_json``."""
    return Budgets(stored["at"], tuple(Budget(**each) for each in stored["standing"]))
