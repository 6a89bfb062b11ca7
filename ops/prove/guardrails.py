"""Prices within their bounds, whatever is wrong: a million hostile cases, no violation."""

from __future__ import annotations

from random import Random

from chalicelib.core.pricing import IMPERSONAL, price_line
from ops.hostile import broken_rule, case, hostile_table, hostile_tier
from ops.prove import BoundBroken, Figures, within

CASES = 1_000_000
SEED = 20_261_122
POOL = 4_000
LEAST_PERSONAL = 0.2


def figures(cases: int = CASES) -> Figures:
    """Ask for so many prices; raises BoundBroken naming the first rule that one of them breaks.

    Every tenth is asked for again, in another number of pieces: the unit price must be the same,
    or a total would not be monotone in it.
    """
    random = Random(SEED)  # noqa: S311  (seeded on purpose)
    tiers = [hostile_tier(random) for _ in range(POOL)]
    tables = [hostile_table(random) for _ in range(POOL)]
    personal = violations = 0
    first = ""
    for number in range(cases):
        asked = case(random, tiers, tables)
        currency = asked.product.currency
        priced = price_line(
            asked.line, asked.product, currency=currency, tier=asked.tier, setting=asked.setting
        )
        broken = broken_rule(asked, priced)
        if broken is None and number % 10 == 0:
            more = asked.line._replace(quantity=asked.line.quantity + 1)
            again = price_line(
                more, asked.product, currency=currency, tier=asked.tier, setting=asked.setting
            )
            if again.unit_price_minor != priced.unit_price_minor:
                broken = "not_monotone"
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
