"""Other policies and models that decide for the customers of an arm: champion and challenger.

They are named by the policy that serves, the champion, and lie beside it. Who gets which follows
from a hash of the subject alone, before anything is read, so that everything which is gathered,
decided and recorded for a customer follows one policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from chalicelib.core.actions import Action
from chalicelib.core.assignment import Arms, arm_of, in_holdout
from chalicelib.core.contact_policy import ContactPolicy
from chalicelib.core.experiments import Arm
from chalicelib.core.offer_terms import OfferTerms
from chalicelib.core.policy import Policy
from chalicelib.core.policy_checks import Misfit
from chalicelib.core.scores import Scorer


@dataclass(frozen=True, slots=True)
class Challengers:
    """The documents that the champion's arms name, as far as they could be used."""

    policies: Mapping[str, Policy] = field(default_factory=dict)
    scorers: Mapping[str, Scorer] = field(default_factory=dict)

    def has(self, arm: Arm) -> bool:
        """Whether everything is there that an arm names."""
        policy_there = arm.policy is None or arm.policy in self.policies
        return policy_there and (arm.model is None or arm.model in self.scorers)


@dataclass(frozen=True, slots=True)
class Replacement:
    """What decides for a subject instead of the champion; None where the champion does."""

    arms: Arms
    policy: Policy | None
    scorer: Scorer | None


def replacement(
    champion: Policy, challengers: Challengers, subject_key: str, *, as_of: int
) -> Replacement:
    """The arms of a subject between whole documents, and what they name.

    Whoever is in the global holdout is in no arm. In an arm whose document is missing the champion
    decides, and the experiment is said not to run: they are in no arm either.
    """
    by_experiment: dict[str, str] = {}
    missing: list[str] = []
    policy: Policy | None = None
    scorer: Scorer | None = None
    for experiment in () if in_holdout(champion, subject_key) else champion.replacing:
        arm = arm_of(experiment, subject_key) if experiment.runs_at(as_of) else None
        if arm is None:
            continue
        if not challengers.has(arm):
            missing.append(experiment.id)
            continue
        by_experiment[experiment.id] = arm.id
        policy = policy if arm.policy is None else challengers.policies[arm.policy]
        scorer = scorer if arm.model is None else challengers.scorers[arm.model]
    about_policy = frozenset(
        each.id for each in champion.replacing if any(arm.policy for arm in each.arms)
    )
    return Replacement(Arms(by_experiment, about_policy, tuple(missing)), policy, scorer)


def challenger_misfits(champion: Policy, challenger: Policy) -> Iterator[Misfit]:
    """Why a policy cannot decide beside the champion; paths are those of the challenger.

    A code outlives the experiment in which it was issued, and is then counted by the champion: so
    whatever has limits stands in both with the same. Currency and holdout are the same for all.
    """
    if challenger.default_currency != champion.default_currency:
        yield Misfit("default_currency", f"must be the champion's, {champion.default_currency}")
    if challenger.holdout != champion.holdout:
        yield Misfit("holdout", "must be the champion's, who is measured against is one group")
    if _cap_and_hours(challenger) != _cap_and_hours(champion):
        yield Misfit("contact_policy", "must be the champion's, but for its cool-downs")
    if challenger.replacing:
        yield Misfit("experiments", "a challenger names no policy or model of its own")
    for number, action in enumerate(challenger.actions):
        if action.offer is not None and not _same_limits(action.offer, champion.action(action.id)):
            yield Misfit(
                f"actions.{number}.offer.limits",
                "must be those of the same action of the champion, which counts its codes",
            )


def _same_limits(offer: OfferTerms, ours: Action | None) -> bool:
    if ours is None or ours.offer is None:
        return not offer.limits.limit_anything
    return ours.offer.limits == offer.limits


def _cap_and_hours(policy: Policy) -> ContactPolicy:
    return policy.contact_policy.model_copy(update={"cool_downs": ()})
