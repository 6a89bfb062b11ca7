"""Policies over the interface: store, note a simulation, activate or roll back, list.

An activation is first written into the log and then into every copy of the alias, and only then
answered: the very next decision obeys, whichever copy it reads. One cut short is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.core.errors import BadInput, FieldError, NotFound, Refused, Transient
from chalicelib.core.kinds import ALIAS, POLICY_LOG, POLICY_LOG_NAME, STORED_POLICY
from chalicelib.core.policy import Policy, policy_from_json
from chalicelib.core.policy_checks import segments_that_nobody_is_in
from chalicelib.core.policy_life import (
    Listed,
    PolicyLog,
    Simulation,
    StoredPolicy,
    activate,
    list_policy,
    with_simulation,
)
from chalicelib.core.ports import Store
from chalicelib.core.rules import Rules
from chalicelib.core.storage import WHATEVER, AtVersion, Conflict, Key, Put, Stored, Write
from chalicelib.flows.rulebook import ALIAS_COPIES
from chalicelib.telemetry import log_event

MOST_ROUNDS = 4
LOG_KEY: Key[PolicyLog] = POLICY_LOG.key(POLICY_LOG_NAME)


class ActiveMoved(Refused):
    """Another policy decides by now than the one that the caller saw."""

    def __init__(self, deciding: str) -> None:
        self.deciding = deciding
        super().__init__("another_is_active")


@dataclass(frozen=True, slots=True)
class Shown:
    """How policies stand.

    Attributes:
        log: which there are, and which decided when.
        agreed: whether every copy of the alias names the active one; if not, an activation was cut
            short, and repeating it helps.
        packaged: the policy that ships.
    """

    log: PolicyLog
    agreed: bool
    packaged: Policy


def show(*, store: Store, packaged: Rules, now: int) -> Shown:
    """Read the log and every copy of the alias."""
    found = store.read([LOG_KEY, *_alias_keys()], now=now)
    log = found.value(LOG_KEY) or PolicyLog()
    copies = [found.value(key) for key in _alias_keys()]
    named = {None if copy is None else copy["policy"] for copy in copies}
    return Shown(log, named == {log.active}, packaged.policy)


def find_policy(policy_hash: str, *, store: Store, now: int) -> StoredPolicy:
    """What is stored under a hash; raises NotFound."""
    return _stored(policy_hash, store, now).value


def store_policy(
    document: object, *, store: Store, rules: Rules, now: int, key_id: str, correlation_id: str
) -> Policy:
    """Validate and keep a policy; the same one again keeps its author and its simulations.

    Raises:
        BadInput: naming the path of each error, segments that no model or rule knows included.
    """
    policy = policy_from_json(document)
    wrong = segments_that_nobody_is_in(
        policy.actions,
        policy.price_tiers,
        known={
            *rules.scorer.segments,
            *(rule.segment for rule in policy.scorecard),
            policy.unknown_segment,
        },
    )
    errors = [FieldError(each.path, each.problem) for each in wrong]
    if errors:
        raise BadInput(*errors)
    key = STORED_POLICY.key(policy.hash)
    stored = StoredPolicy(policy.model_dump(mode="json"), key_id, now)
    if store.read([key], now=now).stored(key) is None:
        _once(lambda: store.write([Put(key, stored)], now=now))
    listed = Listed(policy.hash, policy.name, key_id, now)
    _change_log(lambda log: list_policy(log, listed), store, now)
    log_event("policy_stored", policy=policy.hash, key_id=key_id, correlation_id=correlation_id)
    return policy


def add_simulation(
    policy_hash: str,
    *,
    subject: str,
    figures: Mapping[str, Any],
    store: Store,
    now: int,
    key_id: str,
    correlation_id: str,
) -> StoredPolicy:
    """Write down that a policy was simulated, and what came out.

    Raises NotFound, Transient, and BadInput where the figures are of another policy.
    """
    find_policy(policy_hash, store=store, now=now)  # one that is not there is said first
    if figures.get("policy") != policy_hash:
        raise BadInput.of("figures.policy", f"must be {policy_hash}; simulate that policy")
    simulation = Simulation(key_id, now, subject, dict(figures))
    return note_simulation(
        policy_hash, simulation, store=store, now=now, correlation_id=correlation_id
    )


def note_simulation(
    policy_hash: str,
    simulation: Simulation,
    *,
    beside: Sequence[Write] = (),
    store: Store,
    now: int,
    correlation_id: str,
) -> StoredPolicy:
    """Keep a simulation with its policy, together with whatever else is written beside.

    Raises NotFound, Transient, and Conflict where something else stood in the way of ``beside``.
    """
    for _ in range(MOST_ROUNDS):
        standing = _stored(policy_hash, store, now)
        noted = with_simulation(standing.value, simulation)
        put = Put(STORED_POLICY.key(policy_hash), noted, AtVersion(standing.version))
        try:
            store.write([put, *beside], now=now)
        except Conflict as conflict:
            if any(conflict.lost(each.key) for each in beside):
                raise
            continue
        log_event(
            "policy_simulated",
            policy=policy_hash,
            key_id=simulation.key_id,
            correlation_id=correlation_id,
        )
        return noted
    raise Transient("others keep writing the same policy")


def activate_policy(
    policy_hash: str,
    *,
    store: Store,
    packaged: Rules,
    now: int,
    key_id: str,
    correlation_id: str,
    in_place_of: str | None = None,
) -> Shown:
    """Let a policy decide from the next decision on, or go back to one that did.

    ``in_place_of`` is the hash of the policy that the caller saw deciding; None asks nothing.

    Raises:
        NotFound: nothing is stored under this hash.
        ActiveMoved: another policy decides by now than ``in_place_of``.
        Refused: ``not_simulated`` or ``own_policy``.
        Transient: some copies may stand already; asking again sets the others.
    """
    named = None if policy_hash == packaged.policy.hash else policy_hash
    policy = None if named is None else find_policy(named, store=store, now=now)

    def activated(log: PolicyLog) -> PolicyLog:
        deciding = log.active or packaged.policy.hash
        if in_place_of is not None and deciding not in (in_place_of, policy_hash):
            raise ActiveMoved(deciding)
        return activate(log, named, policy, key_id=key_id, now=now)

    _change_log(activated, store, now)
    for _ in range(MOST_ROUNDS):
        for key in _alias_keys():
            store.write([Put(key, {"policy": named}, WHATEVER)], now=now)
        shown = show(store=store, packaged=packaged, now=now)
        if shown.log.active != named:
            raise Transient("somebody else has activated another policy meanwhile")
        if shown.agreed:
            log_event(
                "policy_activated",
                policy=policy_hash,
                key_id=key_id,
                correlation_id=correlation_id,
            )
            return shown
    raise Transient("somebody else is activating a policy")


def _change_log(change: Callable[[PolicyLog], PolicyLog], store: Store, now: int) -> None:
    for _ in range(MOST_ROUNDS):
        found = store.read([LOG_KEY], now=now)
        before = found.value(LOG_KEY) or PolicyLog()
        after = change(before)
        if after == before:
            return
        put = Put(LOG_KEY, after, AtVersion(found.version(LOG_KEY)))
        try:
            store.write([put], now=now)
        except Conflict:
            continue
        return
    raise Transient("others keep writing the log of policies")


def _once(write: Callable[[], None]) -> None:
    """Whoever was faster has stored the same document, since its hash is its name."""
    try:
        write()
    except Conflict:
        return


def _stored(policy_hash: str, store: Store, now: int) -> Stored[StoredPolicy]:
    key = STORED_POLICY.key(policy_hash)
    stored = store.read([key], now=now).stored(key)
    if stored is None:
        raise NotFound.of("hash", "names no stored policy; POST /v1/policies stores one")
    return stored


def _alias_keys() -> tuple[Key[Any], ...]:
    return tuple(ALIAS.key(str(copy)) for copy in range(ALIAS_COPIES))
