"""What cannot hold between experiments, or between an experiment and the rest of its policy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations

from chalicelib.core.actions import Action
from chalicelib.core.experiments import Experiment
from chalicelib.core.policy_checks import Misfit, names_stand_once
from chalicelib.core.price_tiers import PriceTier


def experiment_misfits(
    experiments: Sequence[Experiment],
    actions: Sequence[Action],
    tiers: Sequence[PriceTier],
    *,
    holdout_salt: str,
) -> Iterator[Misfit]:
    """Names that lead nowhere, salts that are shared, ranges and changes that meet."""
    yield from names_stand_once("experiments.{}.id", (each.id for each in experiments))
    yield from _salts(experiments, holdout_salt)
    action_ids, tier_names = {a.id for a in actions}, {t.name for t in tiers}
    for number, experiment in enumerate(experiments):
        yield from _dangling(f"experiments.{number}", experiment, action_ids, tier_names)
    for (first, one), (second, other) in combinations(enumerate(experiments), 2):
        if one.meets(other):
            yield from _overlaps(first, one, f"experiments.{second}", other)


def touches_a_price(experiment: Experiment, actions: Collection[Action]) -> bool:
    """Whether taking part changes what somebody pays."""
    priced = {action.id for action in actions if action.touches_a_price}
    return experiment.treats_tiers or not priced.isdisjoint(experiment.treats)


def _salts(experiments: Sequence[Experiment], holdout_salt: str) -> Iterator[Misfit]:
    taken = {holdout_salt: "the holdout"}
    for number, experiment in enumerate(experiments):
        owner = taken.setdefault(experiment.salt, experiment.id)
        if owner != experiment.id:
            yield Misfit(
                f"experiments.{number}.salt",
                f"is that of {owner}, so both would split customers alike; give it another",
            )


def _dangling(
    path: str, experiment: Experiment, action_ids: Collection[str], tier_names: Collection[str]
) -> Iterator[Misfit]:
    for number, arm in enumerate(experiment.arms):
        at = f"{path}.arms.{number}"
        for place, name in enumerate(arm.off):
            if name not in action_ids:
                yield Misfit(f"{at}.off.{place}", f"{name} is no action")
        for name in arm.levers:
            if name not in action_ids:
                yield Misfit(f"{at}.levers.{name}", f"{name} is no action")
        for place, name in enumerate(arm.price_tiers or ()):
            if name not in tier_names:
                yield Misfit(f"{at}.price_tiers.{place}", f"{name} is no price tier")


def _overlaps(first: int, one: Experiment, path: str, other: Experiment) -> Iterator[Misfit]:
    """Two experiments that run at the same time, ``one`` before ``other`` in the document."""
    named = f"experiments.{first} ({one.id})"
    if one.lies_in == other.lies_in:
        if one.from_percent < other.to_percent and other.from_percent < one.to_percent:
            yield Misfit(
                f"{path}.from_percent",
                f"{other.from_percent:g} to {other.to_percent:g} overlaps {named} in layer "
                f"{one.lies_in}, {one.from_percent:g} to {one.to_percent:g}; change the range",
            )
        return
    shared = _changed_by(one) & _changed_by(other)
    if shared:
        yield Misfit(
            f"{path}.layer",
            f"changes {', '.join(sorted(shared))} as {named} does; put both into one layer",
        )


def _changed_by(experiment: Experiment) -> set[str]:
    """What only one arm at a time may say of one customer."""
    arms = experiment.arms
    changed = {f"the lever of {name}" for arm in arms for name in arm.levers}
    if experiment.treats_tiers:
        changed.add("the price tiers")
    if any(arm.policy is not None for arm in arms):
        changed.add("the policy")
    if any(arm.model is not None for arm in arms):
        changed.add("the model")
    return changed
