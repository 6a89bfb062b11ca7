"""Exploration: the recorded ``action_probability`` against a million simulated choices.

Each situation has other actions, weights and posterior samples, some with ties and some with lifts
that may be negative; of the first action nobody has learned anything. The choices are made by the
function that decides, each for another customer.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from chalicelib.core.actions import Action
from chalicelib.core.exploration import (
    NOTHING,
    Arm,
    Choice,
    Exploration,
    arm_of,
    by_priority,
    choose,
)
from chalicelib.core.learning import LEARNING_SCHEMA, Basis, Estimate, Learning, publish
from ops.prove import Figures, within

CHOICES = 1_000_000
SITUATIONS = 10
SAMPLES = (32, 32, 32, 17, 2)
MOST_ERRORS = 3.0


def figures(choices: int = CHOICES, situations: int = SITUATIONS) -> Figures:
    """Choose, count, and compare every arm's share with its recorded probability."""
    rng = random.Random(20_261_118)  # noqa: S311  (samples, not secrets)
    worst, arms, sure_but_not = 0.0, 0, 0
    for number in range(situations):
        situation = Situation(rng, samples=SAMPLES[number % len(SAMPLES)])
        counted: Counter[str] = Counter()
        each = choices // situations
        for customer in range(each):
            choice = situation.choose(f"c-{number}-{customer}")
            counted[choice.action] += 1
        for action, probability in _told(choice):
            error = (probability * (1 - probability) / each) ** 0.5
            missed = abs(counted[action] / each - probability)
            if error:
                arms += 1
                worst = max(worst, missed / error)
            else:
                sure_but_not += bool(missed)
    found: Figures = {
        "exploration_choices": choices // situations * situations,
        "exploration_arms": arms,
        "exploration_worst_standard_errors": round(worst, 3),
        "exploration_impossible_choices": sure_but_not,
    }
    within(found, "exploration_worst_standard_errors", at_most=MOST_ERRORS)
    within(found, "exploration_impossible_choices", at_most=0)
    return found


def _told(choice: Choice) -> Iterator[tuple[str, float]]:
    """Every arm with its recorded probability, and that of nothing."""
    told = {each.action: each.action_probability for each in choice.finalists}
    yield from told.items()
    yield NOTHING, abs(round(1.0 - sum(told.values()), 12))


class Situation:
    """A few actions, and what was learned of them."""

    def __init__(self, rng: random.Random, *, samples: int) -> None:
        """Make one up."""
        self.settings = Exploration(samples=samples, finalists=rng.randint(2, 5))
        actions = [self._action(rng, number) for number in range(rng.randint(2, 8))]
        learned = {action.id: self._estimate(rng, samples) for action in actions[1:]}
        self.learning = self._published(learned, samples)
        known = self.learning.of("at_risk")
        stated = {action.id: Estimate("response", action.propensity) for action in actions}
        self.arms: list[Arm] = [
            arm_of(
                action,
                known.get(action.id, stated[action.id]),
                factor=rng.choice((0.9, 1.0, 1.0, 1.1)),
            )
            for action in actions
        ]
        self.ranked = by_priority(self.arms)

    def choose(self, customer: str) -> Choice:
        """Choose for one customer."""
        return choose(
            self.arms,
            self.ranked,
            settings=self.settings,
            learning=self.learning,
            unit=(customer, "checkout", "s-1"),
        )

    @staticmethod
    def _action(rng: random.Random, number: int) -> Action:
        return Action(
            id=f"a-{number}",
            placements=("checkout",),
            propensity=rng.choice((0.08, 0.1, 0.12)),
            value_minor=rng.choice((1000, 1000, 1100)),
        )

    @staticmethod
    def _estimate(rng: random.Random, samples: int) -> Estimate:
        basis: Basis = rng.choice(("response", "response", "lift"))
        mean = rng.uniform(0.08, 0.12)
        # Rounded so that some samples tie.
        drawn = [round(max(0.0, rng.gauss(mean, 0.05)), 2) for _ in range(samples)]
        if basis == "lift":
            return Estimate(basis, mean, 10.0, tuple(drawn))
        return Estimate(basis, mean, 0.0, tuple(drawn))

    @staticmethod
    def _published(learned: dict[str, Estimate], samples: int) -> Learning:
        estimates = {
            action: {**each._asdict(), "samples": list(each.samples)}
            for action, each in learned.items()
        }
        return publish(
            {
                "schema": LEARNING_SCHEMA,
                "samples": samples,
                "estimates": {"at_risk": estimates},
            }
        )
