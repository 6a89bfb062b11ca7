"""Which policy decides: followed from storage with the read that a decision makes anyway.

A copy of the alias stands beside what every decision reads. Where it names another policy than the
one at hand, the flow starts over with that one, so an activation or a rollback holds from the very
next decision on. A policy that cannot be used is replaced by the packaged one, and an alarm rings.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from chalicelib.core.errors import BadInput, Broken, Transient
from chalicelib.core.kinds import ALIAS, STORED_POLICY
from chalicelib.core.policy import Policy, policy_from_json
from chalicelib.core.ports import Store
from chalicelib.core.rules import Rules
from chalicelib.core.storage import Found, Key
from chalicelib.telemetry import emit_metrics

T = TypeVar("T")
ALIAS_COPIES = 16
MOST_FOLLOWED = 3
MOST_REMEMBERED = 8


class PolicyMoved(Exception):
    """Another policy decides than the one at hand."""

    def __init__(self, active: str | None) -> None:
        self.active = active
        super().__init__(active)


def alias_key(spread: str) -> Key[Any]:
    """A copy of the alias; ``spread`` chooses which, so that no copy is read by everybody."""
    return ALIAS.key(str(zlib.crc32(spread.encode()) % ALIAS_COPIES))


def check_current(found: Found, key: Key[Any], rules: Rules) -> None:
    """Raise PolicyMoved where the alias that was read names another policy than these rules."""
    alias = found.value(key)
    active = None if alias is None else alias["policy"]
    if active != rules.alias:
        raise PolicyMoved(active)


@dataclass
class Rulebook:
    """The rules of this process, and the policies that it has met.

    Attributes:
        packaged: the rules that ship.
        rules_for: the rules of another policy.
        current: the rules that decided last.
    """

    packaged: Rules
    rules_for: Callable[[Policy], Rules]
    current: Rules = field(init=False)
    _met: dict[str, Rules] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.current = self.packaged

    def apply(self, work: Callable[[Rules], T], *, store: Store, now: int) -> T:
        """Do some work with the rules that decide; it starts over where they have moved.

        Raises Transient where the policy moves faster than it can be followed.
        """
        for _ in range(MOST_FOLLOWED):
            try:
                return work(self.current)
            except PolicyMoved as moved:
                self.follow(moved.active, store=store, now=now)
        raise Transient("the active policy keeps changing")

    def refresh(self, *, store: Store, now: int, spread: str) -> Rules:
        """The rules that decide now, for work that reads nothing beside which they could stand."""
        key = alias_key(spread)
        alias = store.read([key], now=now).value(key)
        return self.follow(None if alias is None else alias["policy"], store=store, now=now)

    def follow(self, active: str | None, *, store: Store, now: int) -> Rules:
        """Take up the policy that an alias names."""
        if active is None:
            self.current = self.packaged
        elif active != self.current.alias:
            self.current = self._usable(active, store=store, now=now)
        return self.current

    def find(self, policy_hash: str, *, store: Store, now: int) -> Rules | None:
        """The rules of any policy that still can be had, for a replay."""
        for rules in (self.current, self.packaged):
            if rules.policy.hash == policy_hash:
                return rules
        try:
            return self._load(policy_hash, store=store, now=now)
        except (BadInput, Broken):
            return None

    def find_or_current(self, policy_hash: str, *, store: Store, now: int) -> Rules:
        """As ``find``; the rules that decide now where those of then can no longer be had."""
        return self.find(policy_hash, store=store, now=now) or self.current

    def _usable(self, active: str, *, store: Store, now: int) -> Rules:
        try:
            return replace(self._load(active, store=store, now=now), alias=active)
        except (BadInput, Broken) as error:
            emit_metrics(
                "policy_rejected",
                {"PolicyRejected": 1},
                policy=active,
                error=type(error).__name__,
                reason=str(error),
            )
            return replace(self.packaged, alias=active)

    def _load(self, policy_hash: str, *, store: Store, now: int) -> Rules:
        if policy_hash in self._met:
            return self._met[policy_hash]
        key = STORED_POLICY.key(policy_hash)
        stored = store.read([key], now=now).value(key)
        if stored is None:
            raise Broken(f"no policy is stored under {policy_hash}")
        policy = policy_from_json(stored.document)
        if policy.hash != policy_hash:
            raise Broken(f"what is stored under {policy_hash} has the hash {policy.hash}")
        while len(self._met) >= MOST_REMEMBERED:
            del self._met[next(iter(self._met))]
        self._met[policy_hash] = self.rules_for(policy)
        return self._met[policy_hash]
