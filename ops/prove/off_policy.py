"""Off-policy estimates on simulated logs whose truth is known.

In each world customers of three segments accept four actions with probabilities of the world's own;
some customers buy more than others, and come back, so that their decisions are alike. The logging
policy explores by posterior samples of a small pilot, as the learner would draw them; the other
policy has other levers. What the log cannot support is refused, as it would be, and another world
is made. An interval covers when it holds what the other policy is really worth.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

from chalicelib.core.actions import Action
from chalicelib.core.exploration import Choice, Exploration, arm_of, by_priority, choose
from chalicelib.core.learning import LEARNING_SCHEMA, Learning, publish
from chalicelib.core.off_policy import Interval, Logged, Refusal, evaluate, refuse
from ops.estimate import probabilities
from ops.prove import Figures, within

REPETITIONS = 500
CUSTOMERS = 1_000
LEAST_COVERAGE = 0.93
_SEGMENTS = {"champions": 0.2, "at_risk": 0.5, "lost": 0.3}
_ACTIONS = tuple(
    Action(id=f"a-{number}", placements=("checkout",), propensity=0.1, value_minor=value_minor)
    for number, value_minor in enumerate((2400, 2000, 1800, 1600))
)
_PILOT = 40  # decisions of each action in each segment, from which the logging policy has learned
_METHODS = ("ips", "snips", "dr")


def figures(repetitions: int = REPETITIONS, customers: int = CUSTOMERS) -> Figures:
    """Estimate in many worlds, and compare with the truth."""
    rng = random.Random(1_952)  # noqa: S311  (samples, not secrets)
    covered = dict.fromkeys(_METHODS, 0)
    squares = dict.fromkeys(_METHODS, 0.0)
    done = refused = 0
    while done < repetitions:
        world = World(rng)
        log = world.log(customers)
        if refuse(log) is not None:
            refused += 1
            continue
        done += 1
        found, truth = evaluate(log), world.truth
        for name in _METHODS:
            estimate: Interval = getattr(found, name)
            covered[name] += estimate.low <= truth <= estimate.high
            squares[name] += (estimate.value - truth) ** 2
    told: Figures = {"off_policy_repetitions": done, "off_policy_unsupported_worlds": refused}
    for name in _METHODS:
        told[f"{name}_coverage"] = round(covered[name] / done, 4)
        told[f"{name}_error_minor"] = round(math.sqrt(squares[name] / done), 3)
    told["dr_error_over_ips_error"] = round(math.sqrt(squares["dr"] / squares["ips"]), 4)
    told["deterministic_log_refused"] = _deterministic_is_refused(rng, customers)
    for name in _METHODS:
        within(told, f"{name}_coverage", at_least=LEAST_COVERAGE)
    within(told, "dr_error_over_ips_error", at_most=1.0)
    within(told, "deterministic_log_refused", at_least=True)
    return told


def _deterministic_is_refused(rng: random.Random, customers: int) -> bool:
    """Whether a log without exploration is refused as what it is, with what mends it."""
    refusal = refuse(World(rng, explores=False).log(customers))
    return isinstance(refusal, Refusal) and "deterministic" in refusal.reason


class World:
    """Who accepts what, what the logging policy knows of it, and what the other one would do."""

    def __init__(self, rng: random.Random, *, explores: bool = True) -> None:
        """Make one up."""
        self._rng = rng
        self._accepts = {
            segment: {action.id: rng.betavariate(4, 24) for action in _ACTIONS}
            for segment in _SEGMENTS
        }
        self._amounts = {action.id: rng.uniform(1_000, 4_000) for action in _ACTIONS}
        learning = self._pilot()
        levers = {action.id: rng.uniform(0.8, 1.25) for action in _ACTIONS}
        same = dict.fromkeys(levers, 1.0)
        settings = Exploration(prior_strength=4) if explores else None
        self._logged = {s: _choice(learning, s, settings, same) for s in _SEGMENTS}
        self._target = {s: _choice(learning, s, Exploration(), levers) for s in _SEGMENTS}

    @property
    def truth(self) -> float:
        """What a decision of the other policy is worth."""
        return sum(
            share * probability * self._accepts[segment][action] * self._amounts[action]
            for segment, share in _SEGMENTS.items()
            for action, probability in self._target[segment].items()
        )

    def log(self, customers: int) -> list[Logged]:
        """What so many customers did, each at one to three decisions."""
        rng, log = self._rng, []
        segments = rng.choices(list(_SEGMENTS), list(_SEGMENTS.values()), k=customers)
        for number, segment in enumerate(segments):
            eager = rng.choice((0.6, 1.0, 1.4))  # 1 on average, so the truth stays what it is
            logged, target = self._logged[segment], self._target[segment]
            decisions = rng.randint(1, 3)
            for action in rng.choices(list(logged), list(logged.values()), k=decisions):
                accepted = rng.random() < self._accepts[segment][action] * eager
                paid = self._amounts[action] * rng.uniform(0.5, 1.5) if accepted else 0.0
                log.append(Logged(f"c-{number}", segment, action, paid, logged, target))
        return log

    def _pilot(self) -> Learning:
        estimates = {
            segment: {
                action.id: self._learned(self._accepts[segment][action.id]) for action in _ACTIONS
            }
            for segment in _SEGMENTS
        }
        return publish({"schema": LEARNING_SCHEMA, "samples": 32, "estimates": estimates})

    def _learned(self, accepts: float) -> dict[str, object]:
        accepted = sum(self._rng.random() < accepts for _ in range(_PILOT))
        alpha, beta = 0.4 + accepted, 3.6 + _PILOT - accepted
        return {
            "basis": "response",
            "mean": alpha / (alpha + beta),
            "spend_minor": 0.0,
            "samples": [self._rng.betavariate(alpha, beta) for _ in range(32)],
        }


def _choice(
    learning: Learning,
    segment: str,
    settings: Exploration | None,
    levers: Mapping[str, float],
) -> Mapping[str, float]:
    """The probability of every action in a segment."""
    known = learning.of(segment)
    arms = [arm_of(action, known[action.id], factor=levers[action.id]) for action in _ACTIONS]
    choice: Choice = choose(
        arms, by_priority(arms), settings=settings, learning=learning, unit=("c", "checkout", "s")
    )
    return dict(probabilities(choice))
