"""How the budgets of a policy's offers stand: read by key, and kept once a night.

Storage knows what is spent and held now, and not what was. So every night leaves a note.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib.core.allotments import SHARDS
from chalicelib.core.budgets import KEPT_SECONDS, Budget, Budgets, Counted, standing
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import BUDGETS
from chalicelib.core.limits import allotment_key
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Found, Key, Put


def budget_keys(policy: Policy) -> list[Key[Any]]:
    """Where the shards of every total lie: 16 for each."""
    return [
        allotment_key(action, counted, shard)
        for action, counted, _ in _totals(policy)
        for shard in range(SHARDS)
    ]


def budgets_of(policy: Policy, found: Found) -> tuple[Budget, ...]:
    """Every total of a policy, by what was read under ``budget_keys``."""
    return tuple(
        standing(
            action,
            counted,
            total,
            [found.value(allotment_key(action, counted, shard)) for shard in range(SHARDS)],
        )
        for action, counted, total in _totals(policy)
    )


def note_budgets(*, store: Store, policy: Policy, now: int) -> None:
    """Keep how all budgets stand, under the day; a second time on a day replaces the first.

    Raises Transient and Conflict; either way the same can be done again.
    """
    keys = budget_keys(policy)
    if not keys:
        return
    note = BUDGETS.key(format_instant(now)[:10])
    found = store.read([note, *keys], now=now)
    budgets = Budgets(now, budgets_of(policy, found))
    at = AtVersion(found.version(note))
    store.write([Put(note, budgets, at, expires_at=now + KEPT_SECONDS)], now=now)


def _totals(policy: Policy) -> Iterator[tuple[str, Counted, int]]:
    for action in policy.actions:
        if action.offer is not None:
            limits = action.offer.limits
            if limits.budget_minor is not None:
                yield action.id, "money", limits.budget_minor
            if limits.codes is not None:
                yield action.id, "codes", limits.codes
