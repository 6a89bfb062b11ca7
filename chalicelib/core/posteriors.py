"""Learning from outcomes: Beta posteriors of acceptance by segment and action.

The prior has the mean that the policy states as ``propensity`` and the strength that its
``[exploration]`` sets; each decision that was shown adds one success or failure (the conjugate of
the binomial: Gelman et al., Bayesian Data Analysis, 2.4). Where a control group allows it, what is
learned is the lift: the difference of two such posteriors of ordering, with Jeffreys' prior
Beta(½, ½) for both. It goes by intention to treat: whoever was to be treated counts as treated.

Nothing is drawn here: the learner hands in how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chalicelib.core.actions import Action
from chalicelib.core.exploration import NOTHING, Exploration
from chalicelib.core.learning import LEARNING_SCHEMA, Basis, Learning, publish
from chalicelib.core.outcomes import Outcome
from chalicelib.core.policy import Policy

Cell = tuple[str, str]  # segment, action
# Draws from Beta(alpha, beta).
DrawBeta = Callable[[float, float], float]
# A stated propensity of 1 would be a prior that no outcome can move.
_SUREST = 0.999
# More digits than any amount of outcomes can support, and a third of the bytes.
_DIGITS = 6


class Tally(NamedTuple):
    """Counts of one action in one segment.

    Attributes:
        shown: decisions that reached the customer.
        accepted: of those, how many were accepted.
        treated: decisions that were not withheld, shown or not.
        ordered: of those, how many were followed by an order.
        discount_minor: what their codes gave away.
        withheld: decisions of the control group.
        ordered_anyway: of those, how many were followed by an order.
    """

    shown: int = 0
    accepted: int = 0
    treated: int = 0
    ordered: int = 0
    discount_minor: int = 0
    withheld: int = 0
    ordered_anyway: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """All outcomes that were counted.

    Attributes:
        tallies: by segment and action.
        counted: ids of the decisions in them: none counts twice.
    """

    tallies: Mapping[Cell, Tally] = field(default_factory=dict)
    counted: frozenset[str] = frozenset()


class Beta(NamedTuple):
    """A Beta distribution."""

    alpha: float
    beta: float

    @property
    def mean(self) -> float:
        """Its mean."""
        return self.alpha / (self.alpha + self.beta)


def count(observed: Observed, outcomes: Iterable[Outcome]) -> Observed:
    """Count outcomes, each decision once, whatever their order and however they are divided."""
    tallies = dict(observed.tallies)
    counted = set(observed.counted)
    for outcome in outcomes:
        trial = outcome.trial
        if trial.decision_id in counted or trial.action == NOTHING:
            continue
        counted.add(trial.decision_id)
        cell = (trial.segment, trial.action)
        tallies[cell] = _counted(tallies.get(cell, Tally()), outcome)
    return Observed(tallies, frozenset(counted))


def _counted(tally: Tally, outcome: Outcome) -> Tally:
    if outcome.trial.withheld:
        return tally._replace(
            withheld=tally.withheld + 1,
            ordered_anyway=tally.ordered_anyway + outcome.ordered,
        )
    return tally._replace(
        shown=tally.shown + outcome.shown,
        accepted=tally.accepted + outcome.accepted,
        treated=tally.treated + 1,
        ordered=tally.ordered + outcome.ordered,
        discount_minor=tally.discount_minor + outcome.discount_minor,
    )


def acceptance(action: Action, tally: Tally, *, strength: float) -> Beta:
    """The posterior probability that the action is accepted when it is shown."""
    stated = min(action.propensity, _SUREST)
    return Beta(
        stated * strength + tally.accepted,
        (1 - stated) * strength + tally.shown - tally.accepted,
    )


def ordering(ordered: int, decisions: int) -> Beta:
    """The posterior probability that an order follows, under Jeffreys' prior."""
    return Beta(ordered + 0.5, decisions - ordered + 0.5)


def basis_of(tally: Tally, settings: Exploration) -> Basis:
    """Whether treated and control are enough for a lift."""
    enough = min(tally.treated, tally.withheld) >= settings.min_control_decisions
    return "lift" if enough else "response"


def learn(
    observed: Observed,
    *,
    policy: Policy,
    settings: Exploration,
    segments: Iterable[str],
    draw: DrawBeta,
    now: int,
) -> Learning:
    """Make the document: for every action in every segment that may have it.

    Args:
        observed: what was counted; an action without outcomes has its prior.
        policy: the actions.
        settings: the policy's ``[exploration]``.
        segments: every segment that a scorer or rule may name.
        draw: draws from Beta(alpha, beta); called in an order that depends on nothing else.
        now: the moment.
    """
    estimates: dict[str, dict[str, Any]] = {}
    named = {*segments, *(segment for segment, _ in observed.tallies)}
    for segment in sorted(named):
        for action in policy.actions:
            if not action.segments or segment in action.segments:
                tally = observed.tallies.get((segment, action.id), Tally())
                estimate = _estimate(action, tally, settings, draw)
                estimates.setdefault(segment, {})[action.id] = {**estimate, **tally._asdict()}
    return publish(
        {
            "schema": LEARNING_SCHEMA,
            "policy": policy.hash,
            "learned_at": now,
            "decisions": len(observed.counted),
            "samples": settings.samples,
            "estimates": estimates,
        }
    )


def _estimate(
    action: Action, tally: Tally, settings: Exploration, draw: DrawBeta
) -> dict[str, Any]:
    basis = basis_of(tally, settings)
    if basis == "response":
        response = acceptance(action, tally, strength=settings.prior_strength)
        samples = [draw(*response) for _ in range(settings.samples)]
        return _rounded(basis, response.mean, 0.0, samples)
    treated = ordering(tally.ordered, tally.treated)
    control = ordering(tally.ordered_anyway, tally.withheld)
    spent_minor = tally.discount_minor + tally.accepted * action.cost_minor
    samples = [draw(*treated) - draw(*control) for _ in range(settings.samples)]
    return _rounded(basis, treated.mean - control.mean, spent_minor / tally.treated, samples)


def _rounded(
    basis: Basis, mean: float, spend_minor: float, samples: Iterable[float]
) -> dict[str, Any]:
    return {
        "basis": basis,
        "mean": round(mean, _DIGITS),
        "spend_minor": round(spend_minor, _DIGITS),
        "samples": [round(each, _DIGITS) for each in samples],
    }
