"""What ``measure`` says: words for verdicts, whom an arm is compared with, what not to believe."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

from rich.console import Console

from chalicelib.core.baselines import Baselines, FeatureBaseline
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.measured import Measured
from chalicelib.core.measurement import PROGRAMME, Compared, Exposure, Group, compare
from chalicelib.core.outcomes import Bought, Ledger
from chalicelib.core.report import Days, Report, report_of
from chalicelib.core.watched import Watched
from ops.lift_report import figures
from ops.measure import tell
from tests.functional.test_night import POLICY, WINDOW
from tests.unit.core.situations import NOW

BASELINES = Baselines(
    "m-1.0.0",
    2_000,
    {"recency_days": FeatureBaseline(0.0, tuple(float(n) for n in range(1, 10)))},
    {"loyal": 0.5, "lost": 0.5},
    (0.1,) * 10,
    91,
)


def group(customers: int, buyers: int) -> Group:
    """So many customers, of whom some bought for 20.00."""
    exposures = [Exposure(f"c#{n}", NOW, False, 0.0) for n in range(customers)]
    bought = {f"c#{n}": [Bought(f"o-{n}", NOW + 1, 2_000, {})] for n in range(buyers)}
    later = NOW + 100 * DAY_SECONDS
    return compare(exposures, Ledger(bought=bought), window_days=WINDOW, now=later).treated


def day(arms: Mapping[str, int], *, loyal: int = 500) -> Watched:
    """A day of the log."""
    even = [100] * 10
    return Watched(
        decisions=2_000,
        customers=1_000,
        unknown=500,
        newest_at=NOW - 7_200,
        arms={"x": arms},
        stated={"x": {"as-is": 0.5, "off": 0.5}},
        model=BASELINES.model,
        figures={"recency_days": [0, *even], "churn": even},
        segments={"loyal": loyal, "lost": 1_000 - loyal},
    )


def report(*watched: Watched) -> Report:
    """Three actions with three verdicts, and an experiment whose arm does better."""
    measured = Measured(
        {
            PROGRAMME: Compared(group(5_000, 1_000), group(500, 60)),
            "action:good": Compared(group(5_000, 1_000), group(5_000, 500)),
            "action:same": Compared(group(5_000, 500), group(5_000, 505)),
            "action:young": Compared(group(50, 10), group(5, 1)),
        },
        {"x": {"as-is": group(5_000, 500), "off": group(5_000, 250)}},
        left_out=3,
    )
    names = [f"2026-11-{27 - back:02}" for back in range(max(9, len(watched)))]
    nothing = dict.fromkeys(names[1:9], Measured())
    return report_of(
        Days({names[0]: measured, **nothing}, dict(zip(names, watched, strict=False))),
        policy=POLICY,
        baselines=BASELINES,
        fresh_within_hours={"orders": 30.0},
        now=NOW,
    )


def of_nothing() -> Report:
    """Before anything was stored."""
    return report_of(Days(), policy=POLICY, baselines=None, fresh_within_hours={}, now=NOW)


def said(told: Report) -> str:
    """What a person reads."""
    console = Console(file=io.StringIO(), width=240)
    tell(told, POLICY, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def row(text: str, name: str) -> str:
    """The row on whether customers ordered at all."""
    [found] = [each for each in text.splitlines() if name in each and "orders at all" in each]
    return found


def test_verdicts_are_words() -> None:
    """Better, not significant, too early; and worse, of an arm beside the one as it was."""
    text = said(report())

    assert "better" in row(text, "good")
    assert "not significant" in row(text, "same")
    assert "too early" in row(text, "young")
    assert "worse" in row(text, "x: off")
    assert not [each for each in text.splitlines() if "x: as-is" in each and "orders" in each]
    assert f"orders within {WINDOW} days, 9 days of first exposures" in text


def test_an_interval_is_told_where_there_is_one() -> None:
    """And what could be detected, as soon as there are two customers in each group."""
    young, good = (row(said(report()), name) for name in ("young", "good"))
    assert " to " in good
    assert " to " not in young


def test_arms_that_do_not_fill_are_not_to_be_believed() -> None:
    """The sentence stands beside the counts."""
    fits, lost = (said(report(day({"as-is": 500, "off": n}))) for n in (500, 100))

    assert "as-is 500 (stated 50%), off 500 (stated 50%): fit" in fits
    assert "believe none of its lifts" in lost


def test_drift_is_told_beside_training_and_beside_the_weeks_before() -> None:
    """Too early until a week is known; then what moved rings."""
    short = said(report(day({}, loyal=900)))
    full = report(day({}, loyal=900), *[day({})] * 10)

    assert "too early" in next(each for each in short.splitlines() if "segment" in each)
    line = next(each for each in said(full).splitlines() if "segment" in each)
    assert line.count("moved") == 2
    assert "yes" in line
    assert "hours old" in said(full)


def test_the_last_line_has_every_number() -> None:
    """JSON, with nothing in it that is not a number, a word or null."""
    told = json.loads(json.dumps(figures(report(day({"as-is": 500, "off": 100})), now=NOW)))

    assert told["actions"]["good"]["conversion"]["verdict"] == "better"
    assert told["actions"]["good"]["conversion"]["lift"] > 0.09
    assert told["experiments"]["x"]["off"]["conversion"]["verdict"] == "worse"
    assert told["sample_ratio"]["x"]["mismatched"] is True
    assert (told["unknown_share"], told["newest_event_age_seconds"]) == (0.25, 7_200)
    assert told["left_out"] == 3
    nothing = figures(of_nothing(), now=NOW)
    assert nothing["drift"] == {}
    assert nothing["newest_event_age_seconds"] is None
    assert nothing["programme"]["conversion"]["verdict"] == "too_early"


def test_before_the_first_window_has_closed_it_says_so() -> None:
    """Rather than an empty table alone."""
    assert "nothing was measured yet" in said(of_nothing())
