"""Whether prices and offers differ by an attribute that no policy may see.

The attribute stands in a file of its own and is joined here alone. A ratio says something only with
its interval, and nothing at all of a small group: four fifths is missed by chance in 27 % of
samples of 200 with no difference between the groups, in 8 % of 500.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, log, sqrt
from pathlib import Path
from typing import Any, Literal

from chalicelib.core.errors import BadInput, FieldError
from chalicelib.core.subject import customer
from chalicelib.core.trial import Outcome

LEAST_GROUP = 500
Z_95 = 1.959963984540054
FOUR_FIFTHS = 0.8
Verdict = Literal["too_few", "no_difference_found", "differs", "differs_by_more_than_a_fifth"]


@dataclass(frozen=True, slots=True)
class Group:
    """Those with one value of the attribute.

    Attributes:
        customers: how many of them were simulated.
        favoured: how many got a personal price, or an offer.
        discount_share: mean share of the published price that was taken off.
    """

    customers: int
    favoured: int
    discount_share: float | None


@dataclass(frozen=True, slots=True)
class Parity:
    """One group beside the largest one.

    Attributes:
        ratio: of the shares that were favoured; None where it is not defined.
        low: lower end of its 95 % interval.
        high: upper end.
        verdict: what may be said of it.
    """

    group: Group
    ratio: float | None
    low: float | None
    high: float | None
    verdict: Verdict


def read_attribute(path: Path, column: str) -> dict[str, str]:
    """The attribute by subject key, from a CSV with ``customer_id``; raises BadInput."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = {"customer_id", column} - set(rows.fieldnames or ())
            if missing:
                raise BadInput(*(FieldError(f"audit.{name}", "is no column") for name in missing))
            return {customer(row["customer_id"]).key: row[column] for row in rows if row[column]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput.of("audit", f"{path} cannot be read: {error}") from None


def parity(
    outcomes: Iterable[Outcome], attribute: Mapping[str, str], *, least_group: int = LEAST_GROUP
) -> dict[str, Parity]:
    """Each group beside the largest; a customer counts once, with the best that they got."""
    groups = _groups(outcomes, attribute)
    if not groups:
        return {}
    reference = max(groups, key=lambda name: (groups[name].customers, name))
    return {
        name: _beside(group, groups[reference], least_group=least_group)
        for name, group in sorted(groups.items())
    }


def _groups(outcomes: Iterable[Outcome], attribute: Mapping[str, str]) -> dict[str, Group]:
    favoured: dict[str, bool] = {}
    shares: defaultdict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.customer not in attribute:
            continue
        lucky = bool(outcome.price_discount_minor or outcome.offers_minor)
        favoured[outcome.customer] = favoured.get(outcome.customer, False) or lucky
        if outcome.discount_share is not None:
            shares[attribute[outcome.customer]].append(outcome.discount_share)
    members: defaultdict[str, list[bool]] = defaultdict(list)
    for customer_key, lucky in favoured.items():
        members[attribute[customer_key]].append(lucky)
    return {
        name: Group(
            len(each), sum(each), sum(shares[name]) / len(shares[name]) if shares[name] else None
        )
        for name, each in members.items()
    }


def _beside(group: Group, reference: Group, *, least_group: int) -> Parity:
    """Katz's interval of a ratio of two shares, on the logarithm (Katz et al., 1978)."""
    if min(group.customers, reference.customers) < least_group:
        return Parity(group, None, None, None, "too_few")
    if not group.favoured or not reference.favoured:
        same = group.favoured == reference.favoured
        return Parity(group, None, None, None, "no_difference_found" if same else "differs")
    ratio = (group.favoured / group.customers) / (reference.favoured / reference.customers)
    spread = Z_95 * sqrt(
        1 / group.favoured - 1 / group.customers + 1 / reference.favoured - 1 / reference.customers
    )
    low, high = exp(log(ratio) - spread), exp(log(ratio) + spread)
    return Parity(group, ratio, low, high, _verdict(low, high))


def _verdict(low: float, high: float) -> Verdict:
    if high < FOUR_FIFTHS or low > 1 / FOUR_FIFTHS:
        return "differs_by_more_than_a_fifth"
    return "no_difference_found" if low <= 1 <= high else "differs"


def parity_figures(found: Mapping[str, Parity]) -> dict[str, Any]:
    """As JSON."""
    return {
        name: {
            "customers": each.group.customers,
            "favoured": each.group.favoured,
            "discount_share": each.group.discount_share,
            "ratio": each.ratio,
            "interval": None if each.low is None else [each.low, each.high],
            "verdict": each.verdict,
        }
        for name, each in found.items()
    }
