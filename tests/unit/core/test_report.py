"""What was measured, judged: which days count, what may be said, and how it stood day by day."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chalicelib.core.calibration import FIGURES
from chalicelib.core.drift import Drift, Moved
from chalicelib.core.experiments import Experiment
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.lift import Lift
from chalicelib.core.measured import Measured
from chalicelib.core.measurement import (
    PROGRAMME,
    Compared,
    Exposure,
    Group,
    Metric,
    compare,
)
from chalicelib.core.outcomes import Bought, Ledger
from chalicelib.core.report import (
    Days,
    Health,
    arms_of,
    days_of,
    guard_of,
    health_of,
    lifts_of,
    rung,
    standings,
    verdict_of,
)
from chalicelib.core.watched import LOOKS, Watched
from tests.unit.core.situations import NOW

SHARES = {"as-is": 0.5, "bold": 0.5}
EXPERIMENT = Experiment.model_validate(
    {
        "id": "x",
        "salt": "s",
        "arms": [
            {"id": "as-is", "share_percent": 50},
            {"id": "bold", "share_percent": 50, "levers": {"a": 2.0}},
        ],
    }
)


def test_what_may_ring_shares_one_chance_of_ringing_without_cause() -> None:
    """Features, score, segments, calibrations, the unknown: one more has to be one look more."""
    assert (
        len(FEATURE_NAMES) + len(["score", "segments"]) + len(FIGURES) + len(["unknown"]) == LOOKS
    )


def group(customers: int, *, buyers: int = 0, leavers: int = 0) -> Group:
    """So many customers, of whom some bought, and some wanted no more mail."""
    exposures = [Exposure(f"c#{n}", NOW, False, 0.0) for n in range(customers)]
    ledger = Ledger(
        bought={f"c#{n}": [Bought(f"o-{n}", NOW + 1, 2_000, {})] for n in range(buyers)},
        opted_out={f"c#{n}": (NOW + 1,) for n in range(leavers)},
    )
    later = NOW + 100 * DAY_SECONDS
    return compare(exposures, ledger, window_days=7, now=later).treated


def lift(metric: Metric, treated: Group, control: Group) -> Lift:
    """The lift of a metric."""
    return lifts_of(Compared(treated, control))[metric]


@pytest.mark.parametrize(
    ("leavers", "verdict", "guard"),
    [(900, "worse", "broken"), (400, "not_significant", "holds"), (150, "better", "holds")],
)
def test_more_who_want_no_mail_is_worse(leavers: int, verdict: str, guard: str) -> None:
    """The same interval says better of orders and worse of objections."""
    told = lift("opted_out", group(4_000, leavers=leavers), group(4_000, leavers=400))

    assert verdict_of("opted_out", told) == verdict
    assert guard_of("opted_out", told) == guard


@pytest.mark.parametrize(
    ("buyers", "guard"), [(200, "broken"), (400, "holds"), (900, "holds"), (0, "broken")]
)
def test_less_revenue_breaks_a_guardrail(buyers: int, guard: str) -> None:
    """What cannot be told from nothing does not."""
    told = lift("revenue_minor", group(4_000, buyers=buyers), group(4_000, buyers=400))
    assert guard_of("revenue_minor", told) == guard


def test_a_guardrail_of_few_says_nothing() -> None:
    """Neither that it holds nor that it does not."""
    told = lift("opted_out", group(50, leavers=9), group(50))
    assert guard_of("opted_out", told) == "too_early"


def measured(day: Mapping[str, Group]) -> Measured:
    """A day of the experiment."""
    return Measured(arms={"x": day})


def test_days_under_other_shares_are_not_joined() -> None:
    """They dealt customers of other days otherwise: what differs would be the days."""
    even, uneven = Watched(stated={"x": SHARES}), Watched(stated={"x": {"as-is": 0.9, "bold": 0.1}})
    days = Days(
        measured={
            "2026-11-03": measured({"as-is": group(10), "bold": group(10, buyers=1)}),
            "2026-11-02": measured({"as-is": group(90), "bold": group(10)}),
            "2026-11-01": measured({"as-is": group(5), "bold": group(6)}),
        },
        watched={"2026-11-03": even, "2026-11-02": uneven, "2026-11-01": even},
    )

    assert [name for name, _ in days_of(days, EXPERIMENT)] == ["2026-11-03", "2026-11-01"]
    compared = arms_of(days, EXPERIMENT)["bold"]
    assert (compared.treated.customers, compared.control.customers) == (16, 15)


def test_a_day_that_was_not_watched_is_taken_as_it_is() -> None:
    """Nothing says that it was dealt otherwise."""
    days = Days(measured={"2026-11-03": measured({"as-is": group(10), "bold": group(10)})})
    assert len(days_of(days, EXPERIMENT)) == 1


def test_lifts_stood_as_they_would_have_been_read_on_each_day() -> None:
    """Oldest first, each with everybody up to its day; the last is what stands now."""
    per_day = {
        f"2026-11-{day:02}": Measured(
            {PROGRAMME: Compared(group(200, buyers=day * 20), group(200, buyers=20))}
        )
        for day in (3, 2, 1)
    }
    empty = {"2026-10-31": Measured()}

    found = standings([*per_day.items(), *empty.items()], lambda each: each.compared.get(PROGRAMME))

    assert [each.day for each in found] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert [each.lifts["conversion"].treated for each in found] == [200, 400, 600]
    assert found[-1].lifts["conversion"].treated_mean == pytest.approx(120 / 600)
    early, now = (each.lifts["conversion"] for each in (found[0], found[-1]))
    assert early.low is None
    assert now.low is not None


def moved(trained: bool | None, past: bool | None) -> Moved:
    """A figure that moved, or did not."""
    return Moved(Drift(1.0, 0.1, 999, trained), Drift(1.0, 0.1, 999, past))


def test_what_moved_from_both_rings_and_the_unknown_ring_by_themselves() -> None:
    """Whoever is unknown was never trained on, so only the weeks before say whether they moved."""
    quiet = health_of(Days(), baselines=None, fresh_within_hours={}, now=NOW)
    health = Health(
        moved={"churn": moved(True, True), "segment": moved(True, False)},
        unknown=Drift(1.0, 0.1, 999, True),
        calibration={"returned": moved(True, True), "orders": moved(False, True)},
        settled=quiet.settled,
        ages=(),
        latest=None,
    )

    assert rung(health) == ["churn", "calibration of churn", "unknown"]
    assert rung(quiet) == []
