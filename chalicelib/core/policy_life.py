"""The life of a policy: stored, simulated, activated, rolled back.

A policy that was never active needs a simulation of that very document before it is activated, and
another key than its author's, the first one of a deployment as well. Going back to one that was
active before, or to the one that ships, needs neither: at night one person must be able to undo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib.core.errors import Refused

MOST_LISTED = 100
MOST_SIMULATIONS = 20


@dataclass(frozen=True, slots=True)
class Simulation:
    """That a policy was shown on real customers before it went live.

    Attributes:
        key_id: who ran it.
        at: when.
        subject: what it ran on, such as a file or a stretch of decisions.
        figures: what came out, as ``ops simulate`` prints it.
    """

    key_id: str
    at: int
    subject: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A policy under its hash.

    Attributes:
        document: the canonical document.
        author: the key that stored it first.
        stored_at: when.
        simulations: the latest ones, oldest first.
    """

    document: Mapping[str, Any]
    author: str
    stored_at: int
    simulations: tuple[Simulation, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """One policy as the list names it."""

    hash: str
    name: str
    author: str
    stored_at: int


@dataclass(frozen=True, slots=True)
class Activation:
    """That a policy became the one that decides; ``hash`` is None for the packaged one."""

    hash: str | None
    key_id: str
    at: int


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """Which policies there are, and which of them decided when; each list oldest first."""

    listed: tuple[Listed, ...] = ()
    activations: tuple[Activation, ...] = ()

    @property
    def active(self) -> str | None:
        """The hash of the policy that decides; None for the packaged one."""
        return self.activations[-1].hash if self.activations else None

    def was_active(self, policy_hash: str | None) -> bool:
        """Whether it has decided before."""
        return any(each.hash == policy_hash for each in self.activations)


def list_policy(log: PolicyLog, stored: Listed) -> PolicyLog:
    """Name a policy in the list, once; what was ever active is never pushed out."""
    if any(each.hash == stored.hash for each in log.listed):
        return log
    listed = [*log.listed, stored]
    while len(listed) > MOST_LISTED:
        forgotten = next((each for each in listed if not log.was_active(each.hash)), listed[0])
        listed.remove(forgotten)
    return PolicyLog(tuple(listed), log.activations)


def with_simulation(policy: StoredPolicy, simulation: Simulation) -> StoredPolicy:
    """Keep a simulation beside the document that it was of."""
    simulations = (*policy.simulations, simulation)[-MOST_SIMULATIONS:]
    return StoredPolicy(policy.document, policy.author, policy.stored_at, simulations)


def activate(
    log: PolicyLog, policy_hash: str | None, policy: StoredPolicy | None, *, key_id: str, now: int
) -> PolicyLog:
    """Let a policy decide from now on; to activate the active one again changes nothing.

    Where nothing was activated yet, the packaged one is active.

    Args:
        log: which policies there are, and which decided when.
        policy_hash: the policy, None for the packaged one.
        policy: what is stored under its hash.
        key_id: who asks.
        now: when.

    Raises:
        Refused: ``not_simulated``, or ``own_policy`` where the author asks.
    """
    if log.active == policy_hash:
        return log
    returning = policy_hash is None or log.was_active(policy_hash)
    if policy is not None and not returning:
        if not policy.simulations:
            raise Refused("not_simulated")
        if policy.author == key_id:
            raise Refused("own_policy")
    activations = [*log.activations, Activation(policy_hash, key_id, now)]
    while len(activations) > MOST_LISTED:
        del activations[_forgotten(activations)]
    return PolicyLog(log.listed, tuple(activations))


def _forgotten(activations: Sequence[Activation]) -> int:
    """The oldest of a policy that was active again since: going back to any stays a rollback."""
    last = {each.hash: place for place, each in enumerate(activations)}
    again = (place for place, each in enumerate(activations) if last[each.hash] != place)
    return next(again, 0)


def stored_policy_to_json(policy: StoredPolicy) -> dict[str, Any]:
    """The stored form."""
    return asdict(policy)


def stored_policy_from_json(stored: Mapping[str, Any]) -> StoredPolicy:
    """Undo ``stored_policy_to_json``."""
    simulations = tuple(Simulation(**each) for each in stored["simulations"])
    return StoredPolicy(**{**stored, "simulations": simulations})


def policy_log_to_json(log: PolicyLog) -> dict[str, Any]:
    """The stored form."""
    return asdict(log)


def policy_log_from_json(stored: Mapping[str, Any]) -> PolicyLog:
    """Undo ``policy_log_to_json``."""
    return PolicyLog(
        tuple(Listed(**each) for each in stored["listed"]),
        tuple(Activation(**each) for each in stored["activations"]),
    )
