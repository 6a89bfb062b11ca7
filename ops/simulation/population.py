"""Whom a policy is tried on: the situations of recorded decisions, or customers out of a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.actions import Placement
from chalicelib.core.catalogue import Product
from chalicelib.core.erasure import is_erased
from chalicelib.core.errors import BadInput, FieldError
from chalicelib.core.facts import Facts
from chalicelib.core.fold import recount
from chalicelib.core.orders import Amount, OrderState, complete_order
from chalicelib.core.record import situation_from_json
from chalicelib.core.situation import Context, Line, Permissions, Situation
from chalicelib.core.subject import customer
from ops.training.history import Order

# A cart of what a customer usually spends, in one line, so that tiers have something to price.
SIMULATED_SKU = "SIMULATED"
MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the customers of a file are taken to be."""

    country: str = "US"
    region: str | None = None
    currency: str = "USD"
    placements: tuple[Placement, ...] = ("checkout", "mail")


def from_records(lines: Iterable[str]) -> Iterator[Situation]:
    """The situations of decision records, one JSON document a line, as the decision log has them.

    Erased ones are passed over. Raises BadInput naming the first lines that are no record.
    """
    wrong: list[FieldError] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if is_erased(record):
                continue
            yield situation_from_json(record["situation"])
        except (ValueError, KeyError, TypeError) as error:
            wrong.append(FieldError(f"line {number}", f"is no decision record ({error!r})"))
            if len(wrong) == MOST_SHOWN:
                break
    if wrong:
        raise BadInput(*wrong)


def from_orders(orders: Iterable[Order], *, as_of: int, setting: Setting) -> Iterator[Situation]:
    """Every customer of a file of orders at a moment, at each placement.

    They are taken to have an address and to agree to everything, and to have a cart of what they
    usually spend: a file of orders says nothing of either.
    """
    facts: dict[str, Facts] = {}
    for order in sorted(orders):
        known = facts.get(order.customer_id) or Facts(customer(order.customer_id))
        state = complete_order(
            OrderState(order.order_id, known.subject.key),
            Amount(order.at, order.amount_minor, order.currency),
            source="simulation",
        )
        facts[order.customer_id] = recount(known, before=None, after=state)
    for customer_id, each in sorted(facts.items()):
        for placement in setting.placements:
            yield _situation(customer_id, each, placement, as_of=as_of, setting=setting)


def _situation(
    customer_id: str, facts: Facts, placement: Placement, *, as_of: int, setting: Setting
) -> Situation:
    lines: tuple[Line, ...] = ()
    products: Mapping[str, Product] = {}
    spent = [order.amount_minor for order in facts.recent if order.currency == setting.currency]
    if placement not in ("mail", "batch") and spent and sum(spent):
        usual = max(1, sum(spent) // len(spent))
        lines = (Line(SIMULATED_SKU, 1, usual),)
        products = {SIMULATED_SKU: Product(SIMULATED_SKU, setting.currency, usual, floor_minor=0)}
    return Situation(
        decision_id=f"simulated#{placement}#{customer_id}",
        subject=facts.subject,
        placement=placement,
        as_of=as_of,
        trigger="segment_changed" if placement == "mail" else None,
        context=Context(setting.country, setting.region, setting.currency),
        lines=lines,
        facts=facts,
        permissions=Permissions(
            has_address=True, consents={"marketing_email": True, "profiling": True}
        ),
        products=products,
    )


def read_lines(path: Path) -> list[str]:
    """The lines of a file; raises BadInput when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput.of("on", f"{path} cannot be read: {error}") from None
