"""Policies with limits, and a look at what stands in an action's counts and budgets."""

from __future__ import annotations

from typing import Any

from chalicelib.core.policy import Action, OfferLimits
from tests.fakes import MemoryStore
from tests.unit.core.situations import default_policy


def limited(action_id: str, **limits: Any) -> tuple[Action, ...]:
    """The shipped actions, one of them with these limits."""
    changed = []
    for action in default_policy().actions:
        if action.id == action_id and action.offer is not None:
            offer = action.offer.model_copy(update={"limits": OfferLimits(**limits)})
            changed.append(action.model_copy(update={"offer": offer}))
        else:
            changed.append(action)
    return tuple(changed)


def budget_of(store: MemoryStore, what: str = "money") -> tuple[int, int]:
    """What all shards of a total hold and have spent together."""
    shards = [shard for name, shard in store.all("allotment").items() if name.split("#")[2] == what]
    return sum(s.held for s in shards), sum(s.spent for s in shards)
