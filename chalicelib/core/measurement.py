"""What actions and the whole programme brought, from choices and what followed them.

*Unit*: a customer. *Group*: of an action, whether it was kept from its control group; of the
programme, whether the customer is in the global holdout. *Exposure*: the first choice that did
something to a customer, or would have done it in the group from which it was kept; the same is
asked of both groups, so the comparison is by intention to treat and no group is diluted by people
to whom nothing would ever have happened. *Outcome*: orders within the policy's reward window of
that exposure; it is left out until the window has passed for everybody. Revenue is what was paid,
less refunds; discounts are not in it. *Covariate*: the orders that the model expected at the
exposure, which nothing that followed can have touched. *Guardrails* are outcomes that nothing may
make worse: revenue, and whether somebody wanted no more marketing within the same window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from chalicelib.core.exploration import NOTHING, Exploration
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.lift import Lift, lift_of
from chalicelib.core.outcomes import Bought, Ledger, trial_of
from chalicelib.core.policy import Policy
from chalicelib.core.sums import NOBODY, Sums, joined, sums_of

Metric = Literal["conversion", "revenue_minor", "opted_out"]
METRICS: Sequence[Metric] = ("conversion", "revenue_minor", "opted_out")
# What must not become worse, whatever else becomes better; +1 where more of it is better.
GUARDRAILS: Mapping[Metric, int] = {"revenue_minor": 1, "opted_out": -1}
# What the programme as a whole is called beside its actions.
PROGRAMME = "programme"
DEFAULT_WINDOW_DAYS = int(Exploration.model_fields["reward_window_days"].default)
# What precedes the name of an action or an experiment in what customers are counted for.
ACTION, EXPERIMENT = "action:", "experiment:"


class Chosen(NamedTuple):
    """One choice that did something to a customer, or would have.

    Attributes:
        subject_key: whom it was made for.
        at: when.
        action: what was chosen, or would have been.
        withheld: whether it was kept from them.
        holdout: whether they are in the global holdout.
        expected_orders: what the model expected then; 0 where it did not serve.
    """

    subject_key: str
    at: int
    action: str
    withheld: bool
    holdout: bool
    expected_orders: float


class Exposure(NamedTuple):
    """The first time that a customer was, or would have been, treated.

    Attributes:
        person: subject key, of the customer whom a guest turned out to be.
        at: when.
        control: whether they are in the group from which it is kept.
        expected_orders: what the model expected then.
    """

    person: str
    at: int
    control: bool
    expected_orders: float


@dataclass(frozen=True, slots=True)
class Group:
    """What the customers of one group came to, by metric; groups of other days join it.

    Attributes:
        sums: outcomes and covariates by metric.
        events: how many customers had an outcome, by metric.
    """

    sums: Mapping[Metric, Sums]
    events: Mapping[Metric, int]

    @property
    def customers(self) -> int:
        """How many."""
        return self.sums[METRICS[0]].customers


EMPTY = Group(dict.fromkeys(METRICS, NOBODY), dict.fromkeys(METRICS, 0))


class Compared(NamedTuple):
    """Both groups of an action or of the programme."""

    treated: Group
    control: Group

    def lift(self, metric: Metric) -> Lift:
        """What was brought for each customer."""
        return lift_of(
            self.treated.sums[metric],
            self.control.sums[metric],
            treated_events=self.treated.events[metric],
            control_events=self.control.events[metric],
        )


NOTHING_YET = Compared(EMPTY, EMPTY)


def window_days_of(policy: Policy) -> int:
    """How long after an exposure an order still counts."""
    exploration = policy.exploration
    return DEFAULT_WINDOW_DAYS if exploration is None else exploration.reward_window_days


def chosen_of(record: Mapping[str, Any]) -> Chosen | None:
    """Read a choice from a decision record; None where nothing was, or would have been, done."""
    trial = trial_of(record)
    if trial is None or trial.action == NOTHING:
        return None
    decision = record["decision"]
    return Chosen(
        subject_key=trial.subject_key,
        at=trial.decided_at,
        action=trial.action,
        withheld=trial.withheld,
        holdout=decision["holdout"],
        expected_orders=decision["scores"]["expected_orders"] or 0.0,
    )


def exposures_of(
    chosen: Iterable[Chosen], known_as: Mapping[str, str], *, of: str
) -> list[Exposure]:
    """The first exposure of each customer to an action, or to anything for ``PROGRAMME``.

    Whoever is kept from an action by its own control group or by the global holdout is equally
    good to compare with: both are hashes of the customer. The programme is compared with the
    holdout alone.
    """
    first: dict[str, Exposure] = {}
    for each in chosen:
        if of not in (each.action, PROGRAMME):
            continue
        person = known_as.get(each.subject_key, each.subject_key)
        control = each.holdout if of == PROGRAMME else each.withheld
        exposure = Exposure(person, each.at, control, each.expected_orders)
        if person not in first or exposure.at < first[person].at:
            first[person] = exposure
    return sorted(first.values(), key=lambda each: (each.at, each.person))


def compare(
    exposures: Iterable[Exposure], ledger: Ledger, *, window_days: int, now: int
) -> Compared:
    """Add up what followed the exposures whose window has passed by ``now``."""
    window = window_days * DAY_SECONDS
    rows: dict[bool, list[_Followed]] = {True: [], False: []}
    for each in exposures:
        if each.at + window <= now:
            paid = [o.paid_minor for o in _within(ledger.bought.get(each.person, ()), each, window)]
            said_no = ledger.opted_out.get(each.person, ())
            left = any(each.at <= at <= each.at + window for at in said_no)
            rows[each.control].append(_Followed(each.expected_orders, paid, left))
    return Compared(_group(rows[False]), _group(rows[True]))


def together(ours: Compared, theirs: Compared) -> Compared:
    """Join what two days, whose customers differ, came to."""
    return Compared(_joined(ours.treated, theirs.treated), _joined(ours.control, theirs.control))


def _within(bought: Iterable[Bought], each: Exposure, window: int) -> Iterable[Bought]:
    """Orders of a known date within the window; the code that an order used does not matter."""
    return (o for o in bought if o.at is not None and each.at <= o.at <= each.at + window)


class _Followed(NamedTuple):
    """What followed one exposure, and what was expected before it."""

    expected_orders: float
    paid_minor: Sequence[int]
    opted_out: bool


def _group(rows: Sequence[_Followed]) -> Group:
    values: Mapping[Metric, list[float]] = {
        "conversion": [float(bool(each.paid_minor)) for each in rows],
        "revenue_minor": [float(sum(each.paid_minor)) for each in rows],
        "opted_out": [float(each.opted_out) for each in rows],
    }
    before = [each.expected_orders for each in rows]
    return Group(
        {metric: sums_of(zip(values[metric], before, strict=True)) for metric in METRICS},
        {metric: sum(value != 0.0 for value in values[metric]) for metric in METRICS},
    )


def _joined(ours: Group, theirs: Group) -> Group:
    return Group(
        {metric: joined(ours.sums[metric], theirs.sums[metric]) for metric in METRICS},
        {metric: ours.events[metric] + theirs.events[metric] for metric in METRICS},
    )
