"""Calibration: sums of what was said and what happened, and when a difference rings."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.calibration import (
    LEAST_EVENTS,
    SETTLED_DAYS,
    Bin,
    Calibrated,
    Followed,
    calibrated_from_json,
    calibrated_of,
    calibrated_to_json,
    miscalibrated,
    together,
)
from chalicelib.core.canonical import canonical_json

ROWS = st.lists(
    st.builds(Followed, st.floats(0, 1), st.floats(0, 5), st.integers(0, 9)), max_size=20
)


def day(customers: int, *, back: int, said: float = 0.2, model: str = "m-1.0.0") -> Calibrated:
    """So many customers with the same chance, of whom so many came back for one order each."""
    rows = [Followed(1.0 - said, said, int(n < back)) for n in range(customers)]
    return calibrated_of(rows, model=model, horizon_days=91)


@given(ROWS, ROWS)
def test_days_join(one: list[Followed], two: list[Followed]) -> None:
    """Customers of both as if added up together, bin by bin."""
    ours, theirs = (calibrated_of(x, model="m-1.0.0", horizon_days=91) for x in (one, two))
    whole = calibrated_of([*one, *two], model="m-1.0.0", horizon_days=91)

    told = together([ours, theirs])

    assert tuple(told.returned) == pytest.approx(tuple(whole.returned), abs=1e-9)
    assert tuple(told.orders) == pytest.approx(tuple(whole.orders), abs=1e-9)
    assert [each.customers for each in told.bins] == [each.customers for each in whole.bins]
    assert [each.stayed_away for each in told.bins] == [each.stayed_away for each in whole.bins]


@given(ROWS.filter(bool))
def test_the_brier_score_is_the_mean_squared_error(rows: list[Followed]) -> None:
    """Out of the sums alone, as numpy has it out of the rows."""
    said = np.array([each.churn for each in rows])
    away = np.array([float(each.orders == 0) for each in rows])

    found = calibrated_of(rows, model="m-1.0.0", horizon_days=91).brier

    assert found == pytest.approx(float(((said - away) ** 2).mean()), abs=1e-9)


def test_bins_hold_what_was_said_and_what_happened() -> None:
    """A tenth of the score each: customers, their chances, and who stayed away."""
    rows = [Followed(0.05, 1.0, 0), Followed(0.95, 0.1, 0), Followed(0.91, 0.1, 2)]

    bins = calibrated_of(rows, model="m-1.0.0", horizon_days=91).bins

    assert bins[0] == Bin(1, 0.05, 1)
    assert (bins[9].customers, bins[9].stayed_away) == (2, 1)
    assert bins[9].churn == pytest.approx(1.86)
    assert sum(each.customers for each in bins) == 3


def test_who_comes_back_as_said_and_as_before_does_not_ring() -> None:
    """Two hundred of a thousand, as the model said."""
    found = miscalibrated([day(1_000, back=200)] * 20, looks=10)

    assert found.keys() == {"returned", "orders"}
    for each in found.values():
        assert each.trained.drifted is False
        assert each.past is not None
        assert each.past.drifted is False
        assert each.trained.value == pytest.approx(1.0)


def test_who_always_came_back_more_than_said_is_told_and_does_not_ring() -> None:
    """A checkout is no sample of the training: twice as many as said, week after week."""
    found = miscalibrated([day(1_000, back=400)] * 20, looks=10)["returned"]

    assert found.trained.drifted is True
    assert found.trained.value == pytest.approx(2.0)
    assert found.past is not None
    assert found.past.drifted is False
    assert not found.rings


def test_who_comes_back_less_than_said_and_than_before_rings() -> None:
    """A week in which a third of them stays away who came back before."""
    days = [day(1_000, back=130)] * SETTLED_DAYS + [day(1_000, back=200)] * 20

    found = miscalibrated(days, looks=10)

    assert found["returned"].rings
    assert found["orders"].rings


def test_a_move_towards_what_the_model_says_does_not_ring() -> None:
    """It was off before, and holds now."""
    days = [day(1_000, back=200)] * SETTLED_DAYS + [day(1_000, back=400)] * 20

    found = miscalibrated(days, looks=10)["returned"]

    assert found.past is not None
    assert found.past.drifted is True
    assert not found.rings


def test_another_model_is_not_what_is_compared_with() -> None:
    """What an older model said is no baseline of this one."""
    days = [day(1_000, back=130)] * SETTLED_DAYS
    older = [day(1_000, back=200, model="m-0.9.0")] * 20

    assert miscalibrated([*days, *older], looks=10)["returned"].past is None


def test_few_events_say_nothing() -> None:
    """A thousand customers of whom hardly anybody is expected back, and days without anybody."""
    rare = day(200, back=0, said=LEAST_EVENTS / 3_000)
    found = miscalibrated([rare, None, None] * 9, looks=10)

    assert found["returned"].trained.drifted is None
    assert found["returned"].past is None
    assert miscalibrated([None] * 30, looks=10) == {}
    assert miscalibrated([], looks=10) == {}
    assert Calibrated().brier is None


def test_storage_gives_the_same_back() -> None:
    """A day with customers, and a day with nobody."""
    for each in (day(10, back=3), Calibrated(left_out=4)):
        assert calibrated_from_json(json.loads(canonical_json(calibrated_to_json(each)))) == each
