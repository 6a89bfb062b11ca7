"""What the programme, its actions and its experiments have brought: as it stands, and by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chalicelib.console.charts import Chart, bars, intervals
from chalicelib.console.lift_words import Told, in_major, told
from chalicelib.console.page import Page
from chalicelib.core.errors import NotFound
from chalicelib.core.experiments import Experiment
from chalicelib.core.measured import Measured, baseline_arm
from chalicelib.core.measurement import (
    ACTION,
    EMPTY,
    EXPERIMENT,
    GUARDRAILS,
    PROGRAMME,
    Compared,
    Metric,
)
from chalicelib.core.policy import Policy
from chalicelib.core.report import Days, Lifts, Report, Standing, days_of, standings
from chalicelib.core.sample_ratio import SampleRatio

# What is compared is told of these; the others are guardrails alone.
_GOALS: Sequence[Metric] = ("conversion", "revenue_minor")


class Line(NamedTuple):
    """One comparison.

    Attributes:
        name: what was done to one of the groups.
        step: the last step of the address of its page.
        goals: what it was to bring.
        guards: what it must not make worse.
    """

    name: str
    step: str
    goals: Sequence[Told]
    guards: Sequence[Told]


class Ratio(NamedTuple):
    """How the arms of an experiment filled.

    Attributes:
        name: the experiment.
        arms: each with its customers and the share that was dealt to it.
        mismatched: whether the counts contradict the shares.
        customers: in all arms.
    """

    name: str
    arms: Sequence[tuple[str, int, float]]
    mismatched: bool
    customers: int


def experiments_page(report: Report, policy: Policy) -> Page:
    """All of it, as it stands."""
    currency = policy.default_currency
    lines = [_line("the programme", PROGRAMME, report.programme, currency)]
    lines += [_line(name, ACTION + name, lifts, currency) for name, lifts in report.actions.items()]
    of_arms = [
        _line(f"{name}: {arm}", EXPERIMENT + name, lifts, currency)
        for name, arms in report.experiments.items()
        for arm, lifts in arms.items()
    ]
    return Page(
        "experiments",
        "Experiments",
        {
            "report": report,
            "lines": lines,
            "of_arms": of_arms,
            "experiments": [each.id for each in policy.experiments],
            "ratios": [_ratio(name, each) for name, each in report.ratios.items()],
            "has_control": policy.has_controls or policy.holdout.share_percent > 0,
        },
    )


def comparison_page(what: str, days: Days, report: Report, policy: Policy) -> Page:
    """The programme, one action or one experiment, as it stood day by day.

    Raises NotFound where the policy in force states no such thing and no day measured it.
    """
    currency = policy.default_currency
    experiment = None
    if what.startswith(EXPERIMENT):
        experiment = _experiment(what.removeprefix(EXPERIMENT), policy)
        histories = _of_arms(experiment, days)
    else:
        histories = {what: _of_groups(what, days, policy)}
    comparisons = [
        (
            _line(name, what, found[-1].lifts, currency) if found else None,
            name,
            [*_charts(name, found, currency)],
        )
        for name, found in histories.items()
    ]
    ratio = None if experiment is None else report.ratios.get(experiment.id)
    return Page(
        "comparison",
        _title(what),
        {
            "report": report,
            "comparisons": comparisons,
            "experiment": experiment,
            "baseline": None if experiment is None else baseline_arm(experiment),
            "ratio": None if experiment is None or ratio is None else _ratio(experiment.id, ratio),
            "filled": None if ratio is None else _filled(ratio),
        },
    )


def _line(name: str, step: str, lifts: Lifts, currency: str) -> Line:
    return Line(
        name,
        step,
        [told(each, lifts[each], currency=currency) for each in _GOALS],
        [told(each, lifts[each], currency=currency) for each in GUARDRAILS],
    )


def _title(what: str) -> str:
    for prefix, word in ((ACTION, "Action"), (EXPERIMENT, "Experiment")):
        if what.startswith(prefix):
            return f"{word} {what.removeprefix(prefix)}"
    return "The programme"


def _experiment(name: str, policy: Policy) -> Experiment:
    for each in policy.experiments:
        if each.id == name:
            return each
    raise NotFound.of("experiment", "stands in no policy that is in force")


def _of_groups(what: str, days: Days, policy: Policy) -> list[Standing]:
    known = any(what in measured.compared for measured in days.measured.values())
    stated = {PROGRAMME, *(ACTION + each.id for each in policy.actions)}
    if not known and what not in stated:
        raise NotFound.of("comparison", "names nothing that is measured")
    return standings(days.measured.items(), lambda measured: measured.compared.get(what))


def _of_arms(experiment: Experiment, days: Days) -> dict[str, list[Standing]]:
    baseline = baseline_arm(experiment)
    known = days_of(days, experiment)

    def of(arm: str) -> list[Standing]:
        def pick(measured: Measured) -> Compared | None:
            """A day on which only one of both was met adds to that one alone."""
            groups = measured.arms.get(experiment.id, {})
            if arm not in groups and baseline not in groups:
                return None
            return Compared(groups.get(arm, EMPTY), groups.get(baseline, EMPTY))

        return standings(known, pick)

    return {arm.id: of(arm.id) for arm in experiment.arms if arm.id != baseline}


def _charts(name: str, found: Sequence[Standing], currency: str) -> Iterable[Chart]:
    """The intervals as they stood, of each goal of which there was one."""
    for metric in _GOALS:
        rows = [row for each in found if (row := _row(each, metric, currency)) is not None]
        if rows:
            word = "conversion" if metric == "conversion" else f"revenue in {currency}"
            yield intervals(
                f"Lift of {word}: {name}",
                "With everybody who was exposed up to each day; it holds however often one looks.",
                rows,
                x="exposed up to",
                low="low",
                value="lift",
                high="high",
                y_format="+.1%" if metric == "conversion" else "+,.2f",
            )


def _row(each: Standing, metric: Metric, currency: str) -> dict[str, object] | None:
    lift = each.lifts[metric]
    if lift.low is None or lift.high is None:
        return None
    unit = in_major(1.0, currency) if metric == "revenue_minor" else 1.0
    return {
        "exposed up to": each.day,
        "low": lift.low * unit,
        "lift": lift.value * unit,
        "high": lift.high * unit,
    }


def _ratio(name: str, ratio: SampleRatio) -> Ratio:
    arms = [(arm, ratio.counts.get(arm, 0), share) for arm, share in ratio.stated.items()]
    return Ratio(name, arms, ratio.mismatched, sum(ratio.counts.values()))


def _filled(ratio: SampleRatio) -> Chart | None:
    """Customers of each arm beside as many as were dealt to it."""
    customers = sum(ratio.counts.values())
    if not customers:
        return None
    rows: list[dict[str, object]] = []
    for arm, share in ratio.stated.items():
        rows.append({"arm": arm, "customers": ratio.counts.get(arm, 0), "counted": "came"})
        rows.append({"arm": arm, "customers": round(share * customers), "counted": "dealt"})
    return bars(
        "Customers by arm",
        "Who was exposed for the first time, beside as many as the policy deals to each arm.",
        rows,
        category="arm",
        value="customers",
        series="counted",
    )
