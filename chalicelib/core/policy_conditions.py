"""The conditions of a policy, read and typed once, by where they are asked.

Whatever touches a price, a tier or an action with an offer, may name neither a protected attribute
nor a proxy of one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.core.actions import Action, Requirement, Weight
from chalicelib.core.condition_reader import ConditionError, parse_condition
from chalicelib.core.conditions import Condition, Values
from chalicelib.core.declared import Declared
from chalicelib.core.experiment_checks import touches_a_price
from chalicelib.core.experiments import Experiment
from chalicelib.core.policy_checks import Misfit
from chalicelib.core.price_tiers import PriceTier
from chalicelib.core.protected import protected_word

CONDITION_LAYERS = ("eligibility", "applicability", "suitability")


class Asked(NamedTuple):
    """A requirement that was read: the condition, and the reason code that it was given."""

    condition: Condition
    reason: str | None

    def failed(self, values: Values) -> str | None:
        """The reason code where it does not hold, None where it does."""
        found = self.condition.failed(values)
        return found if found is None or self.reason is None else self.reason


@dataclass(frozen=True)
class Conditions:
    """Every condition of a policy.

    Attributes:
        asked: by layer of the engagement policy, then by action; only actions that ask something.
        weights: context weights by action; only actions that have some.
        tiers: by price tier; only tiers that ask something.
        experiments: by experiment; only those that ask something.
    """

    asked: Mapping[str, Mapping[str, tuple[Asked, ...]]]
    weights: Mapping[str, tuple[tuple[Condition, float], ...]]
    tiers: Mapping[str, tuple[Asked, ...]]
    experiments: Mapping[str, Condition]

    def __bool__(self) -> bool:
        """Whether anything is asked at all: where nothing is, no values need be gathered."""
        return bool(self.weights or self.tiers or self.experiments or any(self.asked.values()))

    def thresholds_of(self, feature: str) -> tuple[float, ...]:
        """Every number beside which a feature is put: there a decision may change."""
        constants = {c for condition in self._all() for c in condition.constants_of(feature)}
        return tuple(sorted(float(each) for each in constants if not isinstance(each, str)))

    def _all(self) -> Iterator[Condition]:
        for layer in self.asked.values():
            yield from (asked.condition for each in layer.values() for asked in each)
        yield from (condition for each in self.weights.values() for condition, _ in each)
        yield from (asked.condition for each in self.tiers.values() for asked in each)
        yield from self.experiments.values()


def compile_conditions(
    actions: Sequence[Action],
    tiers: Sequence[PriceTier],
    declared: Mapping[str, Declared],
    *,
    proxies: Collection[str],
    experiments: Sequence[Experiment] = (),
) -> tuple[Conditions, tuple[Misfit, ...]]:
    """Read every condition; those that cannot be used come back as misfits.

    Args:
        actions: in document order, by which paths count.
        tiers: likewise.
        declared: the features that may be named.
        proxies: names that nothing touching a price may read, besides the built-in list.
        experiments: whose conditions say who takes part.
    """
    wrong: list[Misfit] = []
    asked: dict[str, dict[str, tuple[Asked, ...]]] = {n: {} for n in CONDITION_LAYERS}
    weights: dict[str, tuple[tuple[Condition, float], ...]] = {}
    for number, action in enumerate(actions):
        barred = proxies if action.touches_a_price else None
        reader = _Reader(declared, barred, wrong)
        for layer in CONDITION_LAYERS:
            requirements: tuple[Requirement, ...] = getattr(action, layer)
            if requirements:
                path = f"actions.{number}.{layer}"
                asked[layer][action.id] = tuple(reader.requirements(path, requirements))
        if action.weights:
            path = f"actions.{number}.weights"
            weights[action.id] = tuple(reader.weights(path, action.weights))
    reader = _Reader(declared, proxies, wrong)
    eligible = {
        tier.name: tuple(reader.requirements(f"price_tiers.{number}.eligibility", tier.eligibility))
        for number, tier in enumerate(tiers)
        if tier.eligibility
    }
    partakers: dict[str, Condition] = {}
    for number, experiment in enumerate(experiments):
        barred = proxies if touches_a_price(experiment, actions) else None
        condition = _Reader(declared, barred, wrong).experiment(number, experiment)
        if condition is not None:
            partakers[experiment.id] = condition
    return Conditions(asked, weights, eligible, partakers), tuple(wrong)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads conditions and keeps what is wrong with them; ``barred`` is None away from prices."""

    declared: Mapping[str, Declared]
    barred: Collection[str] | None
    wrong: list[Misfit]

    def requirements(self, path: str, requirements: Iterable[Requirement]) -> Iterator[Asked]:
        for number, each in enumerate(requirements):
            condition = self._read(f"{path}.{number}.when", each.when)
            if condition is not None:
                yield Asked(condition, each.reason)

    def weights(self, path: str, weights: Iterable[Weight]) -> Iterator[tuple[Condition, float]]:
        for number, each in enumerate(weights):
            condition = self._read(f"{path}.{number}.when", each.when)
            if condition is not None:
                yield condition, each.weight

    def experiment(self, number: int, experiment: Experiment) -> Condition | None:
        if experiment.when is None:
            return None
        return self._read(f"experiments.{number}.when", experiment.when)

    def _read(self, path: str, text: str) -> Condition | None:
        try:
            condition = parse_condition(text, self.declared)
        except ConditionError as error:
            self.wrong.append(Misfit(path, str(error)))
            return None
        for feature in sorted(condition.features) if self.barred is not None else ():
            word = protected_word(feature, more=self.barred or ())
            if word is not None:
                self.wrong.append(
                    Misfit(
                        path,
                        f"names {feature}, a protected attribute or a proxy of one ({word}); "
                        "nothing that touches a price may read it",
                    )
                )
        return condition
