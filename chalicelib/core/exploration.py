"""The one explored choice of a decision, and the exact probability with which it was made.

The learning document holds a few joint posterior samples. A hash of stable ids picks one of them,
and whichever finalist is worth most under it wins: Thompson's sampling (Biometrika 25, 1933) with
its draws made beforehand. So the probability that an action is chosen is no estimate: it is the
share of the samples under which it wins. Where nothing is learned or exploration is off, the
action of the highest expected priority wins with probability 1, and the record says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from pydantic import Field

from chalicelib.core.actions import Action, Part
from chalicelib.core.canonical import short_hash
from chalicelib.core.learning import MOST_SAMPLES, Basis, Estimate, Learning

# Of the priorities in document order, the place of who is first; None where nobody is.
Winner = Callable[[Sequence[float]], int | None]
# Where even the best is worth less than it costs; no action of a policy has such a name.
NOTHING = "_nothing"
Deterministic = Literal["off", "nothing_learned", "learning_refused"]


class Exploration(Part):
    """How choices are explored and what the learner makes of their outcomes.

    Attributes:
        finalists: how many of the best by expected priority compete.
        samples: how many joint posterior samples the learner publishes.
        prior_strength: how many decisions an action's stated ``propensity`` is worth.
        reward_window_days: how long after a decision an order still counts as its outcome.
        min_control_decisions: how many decisions each of treated and control needs in a segment
            before a value is the lift over control; until then it is the response.
    """

    finalists: int = Field(default=5, ge=1, le=5)
    samples: int = Field(default=MOST_SAMPLES, ge=2, le=MOST_SAMPLES)
    prior_strength: float = Field(default=20.0, ge=1, le=10_000, allow_inf_nan=False)
    reward_window_days: int = Field(default=14, ge=1, le=90)
    min_control_decisions: int = Field(default=200, ge=30)


class Arm(NamedTuple):
    """An action that survived to arbitration.

    Attributes:
        action: the action.
        factor: context weights × lever, which no outcome teaches.
        estimate: what is believed of it in the customer's segment.
        priority: what it is expected to be worth, in minor units of the policy's currency.
    """

    action: Action
    factor: float
    estimate: Estimate
    priority: float


_priority = attrgetter("priority")


class Finalist(NamedTuple):
    """One that could have been chosen, and with which probability it was."""

    action: str
    action_probability: float
    priority: float
    basis: Basis


@dataclass(frozen=True, slots=True)
class Choice:
    """How the first action of a decision was chosen; further ones follow by expected priority.

    Attributes:
        action: what won; ``NOTHING`` where nothing was worth its cost.
        action_probability: with which probability this choice was made, exactly.
        finalists: by expected priority; what is missing to 1 is the probability of ``NOTHING``.
        deterministic: why there was nothing to explore, None where there was.
        sample: which of the joint samples decided.
        samples: how many there were; 0 where the choice is deterministic.
        learning: hash of the learning document.
        withheld: why what won was not done, None when it was.
    """

    action: str
    action_probability: float
    finalists: tuple[Finalist, ...]
    deterministic: Deterministic | None = None
    sample: int | None = None
    samples: int = 0
    learning: str | None = None
    withheld: str | None = None


def arm_of(action: Action, estimate: Estimate, *, factor: float) -> Arm:
    """What an action is expected to be worth.

    Priority = propensity × context weights × value × lever, where the value is (value − cost) of an
    acceptance, or with a control group lift × value − what a decision gives away.
    """
    return Arm(action, factor, estimate, _worth(action, estimate, estimate.mean) * factor)


def by_priority(arms: Sequence[Arm]) -> list[Arm]:
    """The arms by expected priority; the earlier in the document first where it is equal."""
    return sorted(arms, key=_priority, reverse=True)


def _worth(action: Action, estimate: Estimate, share: float) -> float:
    if estimate.basis == "lift":
        return share * action.value_minor - estimate.spend_minor
    return share * (action.value_minor - action.cost_minor)


def choose(
    arms: Sequence[Arm],
    ranked: Sequence[Arm],
    *,
    settings: Exploration | None,
    learning: Learning | None,
    unit: tuple[str, ...],
    winner: Winner | None = None,
) -> Choice:
    """Choose one of the arms.

    Args:
        arms: what survived, at least one, in document order, which breaks every tie.
        ranked: the same by expected priority.
        settings: None turns exploration off.
        learning: what was published, None when nothing was.
        unit: the stable ids whose hash picks the sample: the same unit, the same choice.
        winner: who is first under a sample; by default whoever is worth most under it.
    """
    if settings is None:
        return _deterministic(ranked, "off")
    if learning is None:
        return _deterministic(ranked, "nothing_learned")
    if learning.refused is not None:
        return _deterministic(ranked, "learning_refused", learning.hash)
    finalists = ranked[: settings.finalists]
    return _explored(arms, finalists, settings, learning, unit, winner or _winner)


def in_order(ranked: Sequence[Arm], choice: Choice | None) -> tuple[list[Action], list[Action]]:
    """The actions in the order in which places are given, and those that cost too much.

    What won the first place stands first. Where nothing did, no second place is given either. Where
    what won is withheld, places go by expected priority.
    """
    winner = None if choice is None or choice.withheld is not None else choice.action
    if winner == NOTHING:
        return [], [arm.action for arm in ranked]
    first = [arm.action for arm in ranked if arm.action.id == winner]
    others = [arm for arm in ranked if arm.action.id != winner]
    return (
        first + [arm.action for arm in others if arm.priority >= 0],
        [arm.action for arm in others if arm.priority < 0],
    )


def _deterministic(
    ranked: Sequence[Arm], why: Deterministic, learning: str | None = None
) -> Choice:
    best = ranked[0]
    worth_it = best.priority >= 0
    finalist = Finalist(best.action.id, float(worth_it), best.priority, best.estimate.basis)
    chosen = best.action.id if worth_it else NOTHING
    return Choice(chosen, 1.0, (finalist,), deterministic=why, learning=learning)


def _explored(
    arms: Sequence[Arm],
    finalists: Sequence[Arm],
    settings: Exploration,
    learning: Learning,
    unit: tuple[str, ...],
    winner_of: Winner,
) -> Choice:
    count = min(settings.samples, learning.sample_count)
    kept = {arm.action.id for arm in finalists}
    competing = [arm for arm in arms if arm.action.id in kept]  # in document order again
    winners = [
        winner_of(row) for row in zip(*(_column(arm, count) for arm in competing), strict=True)
    ]
    sample = int(short_hash("explored choice", *unit, digits=13), 16) % count
    wins = {arm.action.id: winners.count(place) for place, arm in enumerate(competing)}
    winner = winners[sample]
    chosen = NOTHING if winner is None else competing[winner].action.id
    won = winners.count(winner)
    return Choice(
        action=chosen,
        action_probability=won / count,
        finalists=tuple(
            [
                Finalist(
                    arm.action.id, wins[arm.action.id] / count, arm.priority, arm.estimate.basis
                )
                for arm in finalists
            ]
        ),
        sample=sample,
        samples=count,
        learning=learning.hash,
    )


def _column(arm: Arm, count: int) -> list[float]:
    """The priority of an arm under each sample; what nobody has learned is as it is expected."""
    action, factor, estimate, priority = arm
    if not estimate.samples:
        return [priority] * count
    return [_worth(action, estimate, share) * factor for share in estimate.samples[:count]]


def _winner(row: Sequence[float]) -> int | None:
    """The place of the highest priority, the first of equals; None where it costs too much."""
    best = max(row)
    return row.index(best) if best >= 0 else None


def choice_to_json(choice: Choice | None) -> dict[str, Any] | None:
    """As the record keeps it."""
    if choice is None:
        return None
    return {
        "action": choice.action,
        "action_probability": choice.action_probability,
        "finalists": [list(each) for each in choice.finalists],
        "deterministic": choice.deterministic,
        "sample": choice.sample,
        "samples": choice.samples,
        "learning": choice.learning,
        "withheld": choice.withheld,
    }


def choice_from_json(stored: Mapping[str, Any] | None) -> Choice | None:
    """Undo ``choice_to_json``."""
    if stored is None:
        return None
    finalists = tuple(Finalist(*each) for each in stored["finalists"])
    return Choice(**{**stored, "finalists": finalists})
