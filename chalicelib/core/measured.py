"""What a day's exposures came to, as storage keeps it: sums that join over any days.

A day holds those who were first exposed on it, once their reward window has passed. Nobody stands
in it by name: there are only sums by action, for the programme, and by arm of an experiment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from chalicelib.core.experiments import Experiment
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.measurement import (
    EMPTY,
    METRICS,
    NOTHING_YET,
    Compared,
    Group,
    together,
)
from chalicelib.core.sums import Sums

KEPT_SECONDS = 400 * DAY_SECONDS
ByArm = Mapping[str, Mapping[str, Group]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One day, or several together.

    Attributes:
        compared: treated and control, by ``action:ID`` and for the programme.
        arms: groups by experiment and arm.
        left_out: exposures of people who were erased since, or whose record is gone.
    """

    compared: Mapping[str, Compared] = field(default_factory=dict)
    arms: ByArm = field(default_factory=dict)
    left_out: int = 0


def joined(days: Iterable[Measured]) -> Measured:
    """Days together; each customer stands in one of them, since only first exposures count."""
    return reduce(_both, days, Measured())


def _both(ours: Measured, theirs: Measured) -> Measured:
    names = ours.compared.keys() | theirs.compared.keys()
    experiments = ours.arms.keys() | theirs.arms.keys()
    return Measured(
        compared={
            name: together(
                ours.compared.get(name, NOTHING_YET), theirs.compared.get(name, NOTHING_YET)
            )
            for name in sorted(names)
        },
        arms={
            name: _both_arms(ours.arms.get(name, {}), theirs.arms.get(name, {}))
            for name in sorted(experiments)
        },
        left_out=ours.left_out + theirs.left_out,
    )


def _both_arms(ours: Mapping[str, Group], theirs: Mapping[str, Group]) -> dict[str, Group]:
    def joined_group(arm: str) -> Group:
        halves = (Compared(side.get(arm, EMPTY), EMPTY) for side in (ours, theirs))
        return together(*halves).treated

    return {arm: joined_group(arm) for arm in sorted(ours.keys() | theirs.keys())}


def baseline_arm(experiment: Experiment) -> str:
    """The arm that the others are compared with: the first that changes nothing, else the first."""
    for arm in experiment.arms:
        if not (arm.replaces or arm.off or arm.levers or arm.price_tiers is not None):
            return arm.id
    return experiment.arms[0].id


def arms_compared(arms: Mapping[str, Group], baseline: str) -> Mapping[str, Compared]:
    """Every other arm as treated beside the baseline as control."""
    control = arms.get(baseline, EMPTY)
    return {arm: Compared(group, control) for arm, group in arms.items() if arm != baseline}


def measured_to_json(measured: Measured) -> dict[str, Any]:
    """The stored form."""
    return {
        "compared": {
            name: [_group_to_json(each) for each in compared]
            for name, compared in measured.compared.items()
        },
        "arms": {
            name: {arm: _group_to_json(group) for arm, group in arms.items()}
            for name, arms in measured.arms.items()
        },
        "left_out": measured.left_out,
    }


def measured_from_json(stored: Mapping[str, Any]) -> Measured:
    """Undo ``measured_to_json``."""
    return Measured(
        compared={
            name: Compared(*map(_group_from_json, pair))
            for name, pair in stored["compared"].items()
        },
        arms={
            name: {arm: _group_from_json(group) for arm, group in arms.items()}
            for name, arms in stored["arms"].items()
        },
        left_out=stored["left_out"],
    )


def _group_to_json(group: Group) -> dict[str, Any]:
    return {metric: [*group.sums[metric], group.events[metric]] for metric in METRICS}


def _group_from_json(stored: Mapping[str, Any]) -> Group:
    """A metric that was not kept yet on that day is of nobody."""
    sums, events = dict(EMPTY.sums), dict(EMPTY.events)
    for metric in METRICS:
        if metric not in stored:
            continue
        *values, events[metric] = stored[metric]
        sums[metric] = Sums(*values)
    return Group(sums, events)
