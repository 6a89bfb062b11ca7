"""Measured days: they join, arms stand beside the one that changes nothing, storage keeps all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.canonical import canonical_json
from chalicelib.core.experiments import Experiment
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.measured import (
    Measured,
    arms_compared,
    baseline_arm,
    joined,
    measured_from_json,
    measured_to_json,
)
from chalicelib.core.measurement import Compared, Exposure, Group, compare
from chalicelib.core.outcomes import Bought, Ledger
from tests.unit.core.situations import NOW

Row = tuple[bool, int, float]
ROWS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5_000), st.floats(0, 3)), min_size=0, max_size=20
)


def both(rows: list[Row]) -> Compared:
    """Customers with their group, what each paid (0 for no order) and what was expected."""
    exposures = [
        Exposure(f"c#{n}", NOW, control, before) for n, (control, _, before) in enumerate(rows)
    ]
    bought = {
        f"c#{n}": [Bought(f"o-{n}", NOW + 1, paid, {})]
        for n, (_, paid, _) in enumerate(rows)
        if paid
    }
    later = NOW + 100 * DAY_SECONDS
    return compare(exposures, Ledger(bought=bought), window_days=7, now=later)


def day(rows: list[Row]) -> Measured:
    """A day on which this is measured of an action, and its groups as two arms."""
    compared = both(rows)
    arms = {"as-is": compared.control, "bold": compared.treated}
    return Measured({"action:a": compared}, {"x": arms}, left_out=1)


def same(ours: Group, theirs: Group) -> None:
    """Two groups are equal but for rounding."""
    assert ours.events == theirs.events
    for metric, sums in ours.sums.items():
        assert tuple(sums) == pytest.approx(tuple(theirs.sums[metric]), abs=1e-3)


@given(ROWS, ROWS)
def test_days_join(one: list[Row], two: list[Row]) -> None:
    """Customers of both as if measured together, by action and by arm."""
    told, whole = joined([day(one), day(two)]), both([*one, *two])
    for ours, theirs in zip(told.compared["action:a"], whole, strict=True):
        same(ours, theirs)
    same(told.arms["x"]["bold"], whole.treated)
    same(told.arms["x"]["as-is"], whole.control)
    assert told.left_out == 2


@given(ROWS)
def test_storage_gives_the_same_back(rows: list[Row]) -> None:
    """Floats to the last bit; what stands beside it is left alone."""
    told = day(rows)
    stored = json.loads(canonical_json({**measured_to_json(told), "window_days": 7}))
    assert measured_from_json(stored) == told


def test_no_day_is_nothing() -> None:
    """And joins with any."""
    assert joined([]) == Measured()
    assert joined([Measured(), day([(True, 5, 1.0)])]).compared == day([(True, 5, 1.0)]).compared


@pytest.mark.parametrize(
    ("arms", "baseline"),
    [
        ([{"id": "off", "off": ["a"]}, {"id": "as-is"}], "as-is"),
        ([{"id": "off", "off": ["a"]}, {"id": "bold", "levers": {"a": 2.0}}], "off"),
        ([{"id": "new", "policy": "p"}, {"id": "old"}], "old"),
        ([{"id": "none", "price_tiers": []}, {"id": "old"}], "old"),
    ],
)
def test_the_arm_that_changes_nothing_is_what_others_are_compared_with(
    arms: list[dict[str, object]], baseline: str
) -> None:
    """Where every arm changes something, the first."""
    halves = [{**arm, "share_percent": 50} for arm in arms]
    experiment = Experiment.model_validate({"id": "x", "salt": "s", "arms": halves})

    assert baseline_arm(experiment) == baseline
    found = arms_compared(day([(True, 5, 1.0), (False, 0, 1.0)]).arms["x"], "as-is")
    assert {arm: (c.treated.customers, c.control.customers) for arm, c in found.items()} == {
        "bold": (1, 1)
    }
