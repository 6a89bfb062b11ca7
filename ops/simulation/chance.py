"""Situations by chance: customers, carts, places and objections of every sort, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from chalicelib.core.actions import PLACEMENTS, Trigger
from chalicelib.core.catalogue import Product
from chalicelib.core.control import Switches
from chalicelib.core.facts import Facts
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.offers import Offer
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.policy import Policy
from chalicelib.core.situation import Context, Held, Line, Permissions, Situation
from chalicelib.core.subject import Subject, customer, guest

_NOW = 1_795_000_000  # 2026-11-18T01:46:40Z
_PLACES = (
    ("US", "NY"), ("US", "TX"), ("US", "CT"), ("US", "MD"), ("DE", None), ("FR", None),
    ("ZZ", None), (None, None),
)  # fmt: skip
_TRIGGERS: tuple[Trigger, ...] = ("segment_changed", "cart_abandoned")
_CURRENCIES = ("USD", "EUR", "JPY", "KWD", None)
_PURPOSES = ("marketing_email", "profiling", "personalised_pricing", "transactional")


def situations(policy: Policy, *, count: int, seed: int) -> Iterator[Situation]:
    """So many situations; the same seed gives the same ones."""
    chance = Random(seed)  # noqa: S311  (situations, not secrets)
    for number in range(count):
        yield situation(policy, chance, number)


def situation(policy: Policy, chance: Random, number: int) -> Situation:
    """One situation, as a flow could have gathered it."""
    subject = (customer if chance.random() < 0.8 else guest)(f"é-{number}")
    at = _NOW + chance.randrange(-300, 60) * DAY_SECONDS
    skus = [f"SKU-{chance.randrange(20)}" for _ in range(chance.randrange(5))]
    country, region = chance.choice(_PLACES)
    currency = chance.choice(_CURRENCIES)
    reached = chance.random() < 0.3
    return Situation(
        decision_id=f"d_{number:032x}",
        subject=subject,
        placement="mail" if reached else chance.choice(PLACEMENTS),
        as_of=at,
        trigger=chance.choice(_TRIGGERS) if reached else None,
        context=Context(
            country,
            region,
            currency,
            session_id=chance.choice([None, f"s-{number}"]),
            time_zone=chance.choice([None, "Europe/Berlin"]),
            pricing_opt_out=chance.random() < 0.05,
            gpc=chance.random() < 0.05,
        ),
        lines=tuple(Line(sku, chance.randrange(1, 9), chance.randrange(1, 9_999)) for sku in skus),
        facts=_facts(subject, at, chance) if chance.random() < 0.85 else None,
        permissions=_permissions(chance),
        switches=Switches(*(chance.random() < 0.95 for _ in range(3))),
        products=_products(skus, currency, chance),
        held=_held(policy, at, chance) if chance.random() < 0.2 else None,
        live_offers={o.action: o for o in _offers(policy, at, chance)},
        contacted=_some_actions(policy, chance),
        limited=dict.fromkeys(_some_actions(policy, chance), "limit_reached"),
    )


def _facts(subject: Subject, at: int, chance: Random) -> Facts:
    facts = Facts(subject)
    latest = at - chance.randrange(1, 500) * DAY_SECONDS
    for nth in range(chance.choice([1, 1, 2, 3, 6, 12])):
        placed = latest - nth * chance.randrange(1, 60) * DAY_SECONDS - chance.randrange(86_400)
        amount = Amount(placed, chance.randrange(1, 50_000), chance.choice(["USD", "USD", "EUR"]))
        order = OrderState(f"o-{nth}", subject.key, completed=amount)
        facts = recount(facts, before=None, after=order)
    return facts


def _permissions(chance: Random) -> Permissions:
    said = {name: chance.random() < 0.8 for name in _PURPOSES if chance.random() < 0.6}
    return Permissions(has_address=chance.random() < 0.7, consents=said)


def _products(skus: list[str], currency: str | None, chance: Random) -> dict[str, Product]:
    known = [sku for sku in dict.fromkeys(skus) if chance.random() < 0.8]
    found = {}
    for sku in known:
        base = chance.randrange(1, 9_999)
        floor = chance.choice([None, 0, base // 2, base, base + 5])
        found[sku] = Product(sku, currency or "USD", base, floor, category=chance.choice("abc"))
    return found


def _offers(policy: Policy, at: int, chance: Random) -> Iterator[Offer]:
    for action in policy.actions:
        if action.offer is not None and chance.random() < 0.2:
            ends = at + chance.randrange(-5, 20) * DAY_SECONDS
            terms, spent = action.offer, chance.random() < 0.3
            yield Offer(action.id, "ABC0119XYZ0K", terms.kind, terms.value, ends, spent=spent)


def _held(policy: Policy, at: int, chance: Random) -> Held:
    tiers = [None, "gone", *(tier.name for tier in policy.price_tiers)]
    return Held(chance.choice(tiers), tuple(_offers(policy, at, chance)))


def _some_actions(policy: Policy, chance: Random) -> frozenset[str]:
    return frozenset(action.id for action in policy.actions if chance.random() < 0.1)
