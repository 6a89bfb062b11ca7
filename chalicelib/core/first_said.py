"""When a stored thing was first said, to tell what came after an erasure from what was before."""

from __future__ import annotations

from typing import Any

from chalicelib.core.consents import Entry, LedgerHead
from chalicelib.core.contact import Contact
from chalicelib.core.effects import Effect
from chalicelib.core.facts import Facts
from chalicelib.core.offers import Coupon
from chalicelib.core.orders import OrderState


def first_said(value: Any) -> int | None:
    """When a stored thing was first said; None where it does not tell, and then it is from before.

    Nothing that a person who came back has left is undated, but for a link to a guest, and a
    session, which the next checkout makes anew.
    """
    match value:
        case Facts():
            return min(_said(value.first_order_at, value.last_seen_at), default=None)
        case Contact():
            return min(
                (said.at for said in (*value.fields.values(), *value.supplied.values())),
                default=None,
            )
        case OrderState():
            return None if value.completed is None else value.completed.at
        case (
            Entry(recorded_at=at)
            | LedgerHead(began_at=at)
            | Effect(planned_at=at)
            | Coupon(issued_at=at)
            | {"decided_at": at}
            | {"since": at}
        ):
            return None if at is None else int(at)
        case _:
            return None


def _said(*moments: int | None) -> list[int]:
    return [at for at in moments if at is not None]
