"""What another policy would have been worth, estimated from what an exploring one did.

For a decision x with the logged action a, its probability μ(a|x), the reward r and the other
policy's probabilities π(·|x), with w = π(a|x) / μ(a|x) and a model q̂(x, ·) of the reward:

- IPS, inverse propensity scoring (Horvitz and Thompson, JASA 47, 1952): the mean of w·r.
- SNIPS, self-normalised (Swaminathan and Joachims, NeurIPS 2015): Σ w·r / Σ w.
- DR, doubly robust (Dudík, Langford and Li, ICML 2011): the mean of Σ_b π(b|x) q̂(x, b) +
  w·(r − q̂(x, a)). q̂ is fitted on other customers than those whom it judges (cross-fitting).

Intervals are normal at 95 %, with the variance of sums by customer, since what one customer does
is no independent evidence; for SNIPS by the delta method. They hold for what the log supports, so a
log that cannot say is refused, with what would mend it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.core.canonical import share_of

Z_95 = 1.959964
# With 1 % of the other policy's choices unsupported, its value is unknown by up to 1 % of a reward.
LEAST_OVERLAP = 0.99
# Below this the normal interval promises more than it holds.
LEAST_EFFECTIVE = 100.0
LEAST_CUSTOMERS = 30
# Weights average to the overlap, or the logged probabilities are not those that decided.
_MOST_DEVIATION = 4.0
FOLDS = 2
# How many decisions the next coarser mean counts in a mean of the reward model.
_SHRINKAGE = 5.0


class Logged(NamedTuple):
    """One decision of the log.

    Attributes:
        customer: whose; decisions of one customer are no independent evidence.
        cell: what the reward model distinguishes customers by, such as the segment.
        action: what was done.
        reward: what came of it.
        logged: the probability of every action that could have been chosen.
        target: the probability of every action that the other policy could choose.
    """

    customer: str
    cell: str
    action: str
    reward: float
    logged: Mapping[str, float]
    target: Mapping[str, float]

    @property
    def weight(self) -> float:
        """How much more often the other policy would have done this."""
        return self.target.get(self.action, 0.0) / self.logged[self.action]

    @property
    def supported(self) -> float:
        """How much of the other policy's probability lies on what the log may show."""
        return sum(share for action, share in self.target.items() if self.logged.get(action))


class Interval(NamedTuple):
    """An estimate with its 95 % interval, in units of the reward for each decision."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a log says of another policy.

    Attributes:
        decisions: how many there are.
        customers: of how many customers.
        explored: the share of decisions in which more than one action could have been chosen.
        overlap: how much of the other policy's probability lies on what the log may show.
        unsupported: the actions of the other policy that the log cannot show, with how much of its
            probability; most first.
        effective: the effective sample size, (Σ w)² / Σ w² (Kish).
        mean_weight: near ``overlap`` where the logged probabilities are true.
        logged: what the logged decisions were worth.
        ips, snips, dr: what the other policy would have been worth.
        gain: DR less what was logged, paired by decision.
    """

    decisions: int
    customers: int
    explored: float
    overlap: float
    unsupported: Mapping[str, float]
    effective: float
    mean_weight: Interval
    logged: Interval
    ips: Interval
    snips: Interval
    dr: Interval
    gain: Interval


class Refusal(NamedTuple):
    """Why a log cannot say what a policy is worth, and what would mend that."""

    reason: str
    fix: str


def refuse(log: Sequence[Logged]) -> Refusal | None:
    """Say why nothing may be estimated from this log; None when it may."""
    if not log:
        return Refusal(
            "the log holds no decision whose outcome is known",
            "wait until the reward window of some decisions has passed, then write the log again",
        )
    if not any(_explored(each) for each in log):
        return Refusal(
            "the log is deterministic: no other action could have been chosen anywhere",
            "add [exploration] to the policy, publish with python -m ops learn, and log decisions "
            "for at least one reward window",
        )
    overlap = _mean(each.supported for each in log)
    if overlap < LEAST_OVERLAP:
        missing = ", ".join(f"{name} ({share:.1%})" for name, share in _unsupported(log).items())
        return Refusal(
            f"overlap is poor: {1 - overlap:.1%} of what the policy would choose was never "
            f"possible in the log: {missing}",
            "let the active policy explore these actions for those customers, or estimate a "
            "policy that stays within its finalists",
        )
    effective = _effective(log)
    if effective < LEAST_EFFECTIVE:
        return Refusal(
            f"{len(log):,} decisions count like {effective:.0f} of the other policy's own, and "
            f"at least {LEAST_EFFECTIVE:.0f} are needed",
            f"log about {math.ceil(LEAST_EFFECTIVE / max(effective, 1.0)):,} times as many "
            "decisions, or estimate a policy closer to the logged one",
        )
    customers = len({each.customer for each in log})
    if customers < LEAST_CUSTOMERS:
        return Refusal(
            f"the log is of {customers} customers, and at least {LEAST_CUSTOMERS} are needed",
            "log decisions of more customers",
        )
    return _untrue(log, overlap)


def _untrue(log: Sequence[Logged], overlap: float) -> Refusal | None:
    """Refuse probabilities that cannot be those that decided."""
    weight = _interval(log, [each.weight for each in log])
    deviation = (weight.high - weight.low) / (2 * Z_95)
    if abs(weight.value - overlap) <= _MOST_DEVIATION * deviation + 1e-9:
        return None
    return Refusal(
        f"the logged probabilities are not those that decided: weights average to "
        f"{weight.value:.3f} in place of {overlap:.3f}",
        "estimate from whole records of one placement, none left out by what became of them",
    )


def evaluate(log: Sequence[Logged]) -> Evaluation:
    """Estimate what the other policy would have been worth; ask ``refuse`` first.

    Raises ValueError on an empty log, and where a logged action has no probability.
    """
    if not log:
        raise ValueError("an empty log says nothing")
    if not all(each.logged.get(each.action) for each in log):
        raise ValueError("an action was logged that could not have been chosen")
    weights = [each.weight for each in log]
    weighted = [w * each.reward for w, each in zip(weights, log, strict=True)]
    robust = _doubly_robust(log, weights)
    rewards = [each.reward for each in log]
    return Evaluation(
        decisions=len(log),
        customers=len({each.customer for each in log}),
        explored=_mean(float(_explored(each)) for each in log),
        overlap=_mean(each.supported for each in log),
        unsupported=_unsupported(log),
        effective=_effective(log),
        mean_weight=_interval(log, weights),
        logged=_interval(log, rewards),
        ips=_interval(log, weighted),
        snips=_self_normalised(log, weights, weighted),
        dr=_interval(log, robust),
        gain=_interval(log, [dr - r for dr, r in zip(robust, rewards, strict=True)]),
    )


def _explored(each: Logged) -> bool:
    return sum(share > 0 for share in each.logged.values()) > 1


def _effective(log: Iterable[Logged]) -> float:
    weights = [each.weight for each in log]
    squares = math.fsum(w * w for w in weights)
    return math.fsum(weights) ** 2 / squares if squares else 0.0


def _unsupported(log: Sequence[Logged]) -> dict[str, float]:
    missing: dict[str, float] = {}
    for each in log:
        for action, share in each.target.items():
            if share > 0 and not each.logged.get(action):
                missing[action] = missing.get(action, 0.0) + share / len(log)
    return dict(sorted(missing.items(), key=lambda item: (-item[1], item[0])))


def _self_normalised(
    log: Sequence[Logged], weights: Sequence[float], weighted: Sequence[float]
) -> Interval:
    total = math.fsum(weights)
    if not total:
        return Interval(math.nan, -math.inf, math.inf)
    value = math.fsum(weighted) / total
    mean_weight = total / len(log)
    influence = [
        value + (wr - w * value) / mean_weight for w, wr in zip(weights, weighted, strict=True)
    ]
    return _interval(log, influence)


def _doubly_robust(log: Sequence[Logged], weights: Sequence[float]) -> list[float]:
    folds = [int(share_of("off-policy fold", each.customer) * FOLDS) for each in log]
    models = [
        _RewardModel(each for each, fold in zip(log, folds, strict=True) if fold != own)
        for own in range(FOLDS)
    ]
    robust = []
    for each, weight, fold in zip(log, weights, folds, strict=True):
        expected = models[fold].expected
        direct = sum(share * expected(each.cell, name) for name, share in each.target.items())
        robust.append(direct + weight * (each.reward - expected(each.cell, each.action)))
    return robust


class _RewardModel:
    """Mean reward by cell and action, drawn towards that of the action, and that of all."""

    def __init__(self, log: Iterable[Logged]) -> None:
        by_action: dict[str, list[float]] = {}
        by_both: dict[tuple[str, str], list[float]] = {}
        everything = [0.0, 0.0]
        for each in log:
            for sums in (
                everything,
                by_action.setdefault(each.action, [0.0, 0.0]),
                by_both.setdefault((each.cell, each.action), [0.0, 0.0]),
            ):
                sums[0] += each.reward
                sums[1] += 1
        self._all = everything[0] / everything[1] if everything[1] else 0.0
        self._by_action = {a: _shrunk(sums, self._all) for a, sums in by_action.items()}
        self._by_both = {
            both: _shrunk(sums, self._by_action[both[1]]) for both, sums in by_both.items()
        }

    def expected(self, cell: str, action: str) -> float:
        """The mean reward of an action in a cell, as far as the log tells."""
        found = self._by_both.get((cell, action))
        return self._by_action.get(action, self._all) if found is None else found


def _shrunk(sums: Sequence[float], towards: float) -> float:
    return (sums[0] + _SHRINKAGE * towards) / (sums[1] + _SHRINKAGE)


def _interval(log: Sequence[Logged], terms: Sequence[float]) -> Interval:
    """The mean of the terms; its variance from their sums by customer."""
    mean = math.fsum(terms) / len(terms)
    by_customer: dict[str, float] = {}
    for each, term in zip(log, terms, strict=True):
        by_customer[each.customer] = by_customer.get(each.customer, 0.0) + term - mean
    customers = len(by_customer)
    if customers < 2:
        return Interval(mean, -math.inf, math.inf)
    squares = math.fsum(total * total for total in by_customer.values())
    error = math.sqrt(squares * customers / (customers - 1)) / len(terms)
    return Interval(mean, mean - Z_95 * error, mean + Z_95 * error)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return math.fsum(listed) / len(listed)
