"""Who is in which group: salted hashes of the subject alone, so that nothing else moves anybody.

The place of a subject in a layer depends on the layer's name, its arm on the experiment's salt, its
control groups on the actions': adding, removing or changing one experiment moves nobody in another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from chalicelib.core.actions import Action
from chalicelib.core.canonical import share_of
from chalicelib.core.experiments import Arm, Experiment
from chalicelib.core.policy import Policy

_NOTHING: Mapping[str, Any] = {}


class Arms(NamedTuple):
    """The arms of experiments between whole documents that a subject is in.

    Attributes:
        by_experiment: arm by experiment.
        policies: which of them are about the policy; the others are about the model alone.
        not_running: experiments whose document is not there, so that the champion decides.
    """

    by_experiment: Mapping[str, str] = _NOTHING
    policies: frozenset[str] = frozenset()
    not_running: tuple[str, ...] = ()


NO_ARMS = Arms()


class Changes(NamedTuple):
    """What the arms of a subject change of the policy.

    Attributes:
        arms: arm by experiment.
        off: the actions that are switched off, each with the experiments that do so.
        levers: other levers, by action.
        tiers: names of other price tiers; None where the policy's own stand.
        treating: experiments by action that some arm of theirs treats otherwise.
        treating_tiers: experiments some arm of which takes other tiers.
    """

    arms: Mapping[str, str] = _NOTHING
    off: Mapping[str, frozenset[str]] = _NOTHING
    levers: Mapping[str, float] = _NOTHING
    tiers: tuple[str, ...] | None = None
    treating: Mapping[str, tuple[str, ...]] = _NOTHING
    treating_tiers: tuple[str, ...] = ()


NO_CHANGES = Changes()


def in_holdout(policy: Policy, subject_key: str) -> bool:
    """Whether a subject is in the global holdout: a salted hash, so the answer never changes."""
    return share_of(policy.holdout.salt, subject_key) * 100 < policy.holdout.share_percent


def in_control(action: Action, subject_key: str) -> bool:
    """Whether a subject never has an action, to measure against."""
    if not action.control_share_percent:
        return False
    salt = action.control_salt or action.id
    return share_of("control", salt, subject_key) * 100 < action.control_share_percent


def arm_of(experiment: Experiment, subject_key: str) -> Arm | None:
    """The arm of a subject, None outside of the experiment's range."""
    place = share_of("layer", experiment.lies_in, subject_key) * 100
    if not experiment.from_percent <= place < experiment.to_percent:
        return None
    drawn, passed = share_of("arm", experiment.salt, subject_key) * 100, 0.0
    for arm in experiment.arms[:-1]:
        passed += arm.share_percent
        if drawn < passed:
            return arm
    return experiment.arms[-1]


def enter(policy: Policy, subject_key: str, values: Mapping[str, Any], *, as_of: int) -> Changes:
    """The arms of a subject in the experiments that run and whose condition holds.

    Args:
        policy: whose experiments; those between whole documents are left to ``core.rules``.
        subject_key: who.
        values: a value for each feature that is known.
        as_of: the moment.
    """
    taken: list[tuple[Experiment, Arm]] = []
    for experiment in policy.experiments:
        if experiment.replaces or not experiment.runs_at(as_of):
            continue
        arm = arm_of(experiment, subject_key)
        asked = policy.conditions.experiments.get(experiment.id)
        if arm is not None and (asked is None or asked.test(values) is True):
            taken.append((experiment, arm))
    return _changes(taken) if taken else NO_CHANGES


def _changes(taken: list[tuple[Experiment, Arm]]) -> Changes:
    treating: dict[str, tuple[str, ...]] = {}
    off: dict[str, frozenset[str]] = {}
    for experiment, arm in taken:
        for action_id in experiment.treats:
            treating[action_id] = (*treating.get(action_id, ()), experiment.id)
        for action_id in arm.off:
            off[action_id] = off.get(action_id, frozenset()) | {experiment.id}
    return Changes(
        arms={experiment.id: arm.id for experiment, arm in taken},
        off=off,
        levers={name: lever for _, arm in taken for name, lever in arm.levers.items()},
        tiers=next((arm.price_tiers for _, arm in taken if arm.price_tiers is not None), None),
        treating=treating,
        treating_tiers=tuple(each.id for each, _ in taken if each.treats_tiers),
    )
