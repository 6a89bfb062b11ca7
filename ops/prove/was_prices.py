"""Claims of a price before: the true low of 30 days, or none; held against every statement made.

The oracle keeps all that was ever said and looks through all of it. The catalogue keeps what
``price_history`` says, takes it in through storage, and must never claim anything else. Where
statements came in order, and not too many, it must claim whatever the oracle can.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from chalicelib.core.catalogue import (
    Product,
    Statement,
    product_from_json,
    product_to_json,
    take_statement,
)
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.price_history import MOST_PRICES, Reduction, reduction
from ops.prove import BoundBroken, Figures

HISTORIES = 100_000
SEED = 20_261_123
START = 1_790_000_000
WINDOW_SECONDS = 30 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Said:
    """One statement of a price."""

    at: int
    currency: str
    minor: int


def figures(histories: int = HISTORIES) -> Figures:
    """Live through so many histories; raises BoundBroken on a wrong or missing claim."""
    random = Random(SEED)  # noqa: S311  (seeded on purpose)
    claims = silent = mismatches = 0
    first = ""
    for number in range(histories):
        in_order = random.random() < 0.6
        said = _history(random, in_order=in_order)
        product: Product | None = None
        for count, each in enumerate(said, start=1):
            product = _stored(_told(product, each))
            if random.random() < 0.5 and count < len(said):
                continue
            as_of = max(one.at for one in said[:count]) + random.randrange(40 * DAY_SECONDS)
            unit = random.randrange(1, each.minor + 2)
            made = reduction(
                product.prices, as_of=as_of, base_minor=product.base_price_minor or 0,
                unit_minor=unit,
            )  # fmt: skip
            true = oracle(said[:count], as_of=as_of, unit=unit)
            must = in_order and count <= MOST_PRICES
            if made != true and (must or made is not None):
                mismatches += 1
                first = first or f"history {number}: {made} in place of {true}; {said[:count]}"
            claims += made is not None
            silent += made is None and true is not None
    measured: Figures = {
        "was_histories": histories,
        "was_claims": claims,
        "was_mismatches": mismatches,
        "was_left_unsaid": silent,
    }
    if mismatches:
        raise BoundBroken(f"{mismatches} claims are wrong or missing; {first}", measured)
    return measured


def oracle(said: list[Said], *, as_of: int, unit: int) -> Reduction | None:
    """What may be claimed, from every statement in the order of arrival."""
    ordered = sorted(said, key=lambda each: each.at)  # stable: of one moment the later arrival last
    current = ordered[-1]
    opens = as_of - WINDOW_SECONDS
    before = [each for each in ordered if each.at <= opens]
    if not before:
        return None
    seen = [before[-1], *(each for each in ordered if opens <= each.at <= as_of), current]
    if any(each.currency != current.currency for each in seen):
        return None
    was = min(each.minor for each in seen)
    percent = (was - unit) * 100 // was if was else 0
    return Reduction(was, percent) if unit < was and unit < current.minor and percent else None


def _history(random: Random, *, in_order: bool) -> list[Said]:
    """Statements as they arrive: prices that go up and down, are repeated, and come late."""
    at, minor, said = START, random.randrange(1, 5_000), []
    currency = "USD"
    for _ in range(random.randrange(1, random.choice((6, 20, 90)))):
        at += random.choice((0, 1, 3_600, DAY_SECONDS, 5 * DAY_SECONDS, 20 * DAY_SECONDS))
        if random.random() < 0.5:
            minor = random.randrange(1, 5_000)
        if random.random() < 0.03:
            currency = random.choice(("USD", "EUR"))
        said.append(Said(at, currency, minor))
    if not in_order:
        for _ in range(random.randrange(1, 4)):
            here, there = random.randrange(len(said)), random.randrange(len(said))
            said.insert(there, said.pop(here))
    return said


def _told(product: Product | None, said: Said) -> Product:
    says = {"price": (said.currency, said.minor)}
    return take_statement(product, Statement("A", said.at, says))


def _stored(product: Product) -> Product:
    return product_from_json(product_to_json(product))
