"""Prices within their bounds, whatever is wrong: a million hostile cases, no violation."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from chalicelib.core.pricing import IMPERSONAL, PricedLine, Setting, price_line
from chalicelib.core.shown_prices import show
from chalicelib.core.situation import KeptPrice, Line
from ops.hostile import NOW, Case, broken_rule, case, hostile_table, hostile_tier
from ops.prove import BoundBroken, Figures, within

CASES = 1_000_000
SEED = 20_261_122
POOL = 4_000
LEAST_PERSONAL = 0.2


def figures(cases: int = CASES) -> Figures:
    """Ask for so many prices; raises BoundBroken naming the first rule that one of them breaks.

    Every tenth is asked for again: in another number of pieces, where the unit price must be the
    same, or a total would not be monotone in it; and in the same session, though demand moved.
    """
    random = Random(SEED)  # noqa: S311  (seeded on purpose)
    tiers = [hostile_tier(random) for _ in range(POOL)]
    tables = [hostile_table(random) for _ in range(POOL)]
    personal = violations = 0
    first = ""
    for number in range(cases):
        asked = case(random, tiers, tables)
        priced = _price(asked, asked.line, asked.setting)
        broken = broken_rule(asked, priced)
        if broken is None and number % 10 == 0:
            broken = _other_price(asked, priced)
        if broken is not None:
            violations += 1
            first = first or f"{broken}: {asked} gave {priced}"
        personal += priced.reason not in IMPERSONAL
    measured: Figures = {
        "guardrail_cases": cases,
        "guardrail_violations": violations,
        "guardrail_personal_share": round(personal / cases, 3),
    }
    if violations:
        raise BoundBroken(f"{violations} prices leave their bounds; {first}", measured)
    # Where hardly a price is personal, keeping bounds proves nothing.
    within(measured, "guardrail_personal_share", at_least=LEAST_PERSONAL)
    return measured


def _other_price(asked: Case, priced: PricedLine) -> str | None:
    """What is wrong with another price of the same article; None where it is the same one."""
    unit, base = priced.unit_price_minor, priced.base_unit_price_minor
    more = asked.line._replace(quantity=asked.line.quantity + 1)
    if _price(asked, more, asked.setting).unit_price_minor != unit:
        return "not_monotone"
    if priced.reason in IMPERSONAL:
        return None
    shown = show(asked.setting.shown, [("A", base, unit)], as_of=NOW)
    later = asked.setting._replace(kept={"A": KeptPrice(base, unit)}, shown=shown)
    # Meanwhile all demand is gone, and nobody knows the stock: for a new session, another price.
    moved = replace(asked, product=replace(asked.product, stock=None, demand=None))
    same = _price(moved, asked.line, later).unit_price_minor == unit
    return None if same else "not_the_same_in_a_session"


def _price(asked: Case, line: Line, setting: Setting) -> PricedLine:
    currency = asked.product.currency
    return price_line(line, asked.product, currency=currency, tier=asked.tier, setting=setting)
