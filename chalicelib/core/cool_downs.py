"""Cool-down: for how long an outcome keeps actions from being proposed again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.parts import Part

LONGEST_COOL_DOWN_DAYS = 365
# That a code was used is remembered as long after its last day as the code itself.
LONGEST_AFTER_REDEMPTION_DAYS = 90
_REASONS = {"ordered": "cool_down_after_order", "redeemed": "cool_down_after_redemption"}


class CoolDown(Part):
    """After an outcome, so many days without these actions; without a list, without any.

    Attributes:
        after: ``ordered`` for an order that counts, ``redeemed`` for the use of a code.
        days: counted from the outcome to the decision.
        actions: which actions wait.
    """

    after: Literal["ordered", "redeemed"]
    days: int = Field(ge=1, le=LONGEST_COOL_DOWN_DAYS)
    actions: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_remembered(self) -> CoolDown:
        if self.after == "redeemed" and self.days > LONGEST_AFTER_REDEMPTION_DAYS:
            raise ValueError(f"days: at most {LONGEST_AFTER_REDEMPTION_DAYS} after a redemption")
        return self


def cooling(
    cool_downs: Iterable[CoolDown],
    action_id: str,
    *,
    ordered_at: int | None,
    redeemed_at: int | None,
    as_of: int,
) -> str | None:
    """Why an action has to wait for an outcome to be past, None when it need not.

    Args:
        cool_downs: of the policy, asked in its order.
        action_id: which action.
        ordered_at: the latest order that counts, None without one.
        redeemed_at: the latest use of a code, None where none is known.
        as_of: the moment of the decision.
    """
    for each in cool_downs:
        at = ordered_at if each.after == "ordered" else redeemed_at
        if at is None or (each.actions and action_id not in each.actions):
            continue
        if as_of - at < each.days * DAY_SECONDS:
            return _REASONS[each.after]
    return None
