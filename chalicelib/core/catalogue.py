"""What the shop says of an article, field by field: of each, the later statement wins.

A row of a ``catalog/`` file states the price and the floor, and of the rest what its cells hold; an
"Inventory Updated" states what it names. Both come in any order. Of two statements about one field
at one moment the one that arrives later stands, so that a corrected file replaces the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, Literal

from chalicelib.core.demand import Demand, demand_from_json
from chalicelib.core.price_history import History, with_late_price, with_price

Field = Literal["price", "floor", "title", "category", "stock"]
_FIELD_NAMES: tuple[Field, ...] = ("price", "floor", "title", "category", "stock")
_PLAIN: tuple[Field, ...] = ("title", "category", "stock")
NEVER = -1


@dataclass(frozen=True, slots=True)
class Product:
    """One SKU of the catalogue, and what was counted of it.

    Attributes:
        sku: the shop's id.
        currency: ISO 4217 code of both prices; empty while no price was said.
        base_price_minor: the published price; None while none was said.
        floor_minor: the lowest personal price; None means that there is no personal price.
        title: what a mail calls it.
        category: the shop's category.
        stock: pieces on hand when last said.
        said_at: when the shop said the price.
        times: when the other fields were said, where that was not then.
        prices: what the published price was, see ``price_history``.
        demand: decayed counts; None where nothing was counted.
    """

    sku: str
    currency: str
    base_price_minor: int | None
    floor_minor: int | None = None
    title: str | None = None
    category: str | None = None
    stock: int | None = None
    said_at: int = 0
    times: Mapping[str, int] = field(default_factory=dict)
    prices: History = ()
    demand: Demand | None = None

    def said(self, name: Field) -> int:
        """When a field was said."""
        return self.times.get(name, self.said_at)


@dataclass(frozen=True, slots=True)
class Statement:
    """What one row or message says of one article.

    Attributes:
        sku: the article.
        at: when it was said.
        says: the fields that it names. ``price`` and ``floor`` are a currency and minor units, or
            None for a floor that does not exist; the others are plain values.
    """

    sku: str
    at: int
    says: Mapping[str, Any]


def take_statement(product: Product | None, statement: Statement) -> Product:
    """Join a statement into what is known of its article."""
    known = product or Product(statement.sku, "", None, said_at=NEVER)
    times = {name: known.said(name) for name in _FIELD_NAMES}
    if "price" in statement.says:
        known = _price(known, statement, times)
    if "floor" in statement.says and times["floor"] <= statement.at:
        known = _floor(known, statement.says["floor"])
        times["floor"] = statement.at
    for name in _PLAIN:
        if name in statement.says and times[name] <= statement.at:
            known = replace(known, **{name: statement.says[name]})
            times[name] = statement.at
    said_at = times["price"]
    apart: dict[str, int] = {name: at for name, at in times.items() if at != said_at}
    return replace(known, said_at=said_at, times=apart)


def _price(known: Product, statement: Statement, times: dict[Field, int]) -> Product:
    """A price in force from now on, or one of the past that only history has a place for."""
    currency, minor = statement.says["price"]
    moves = currency != known.currency
    prices = known.prices
    if not prices and known.base_price_minor is not None:
        # Stored before there were histories: it has stood at least since it was last said.
        prices = ((known.said_at, known.base_price_minor),)
    if statement.at < times["price"]:
        return replace(
            known,
            prices=with_late_price(
                prices,
                at=statement.at,
                minor=None if moves else minor,
                said_at=times["price"],
            ),
        )
    prices = with_price(() if moves else prices, at=statement.at, minor=minor)
    if moves and times["floor"] != NEVER:
        # A floor in another currency is none, and without one there is no personal price.
        known = replace(known, floor_minor=None)
        times["floor"] = max(times["floor"], statement.at)
    times["price"] = statement.at
    return replace(known, currency=currency, base_price_minor=minor, prices=prices)


def _floor(known: Product, said: Any) -> Product:
    if said is None:
        return replace(known, floor_minor=None)
    currency, minor = said
    if known.base_price_minor is None:
        return replace(known, currency=currency, floor_minor=minor)
    return replace(known, floor_minor=minor if currency == known.currency else None)


_FIELDS = tuple(each.name for each in fields(Product))[:8]
_values = attrgetter(*_FIELDS)


def product_to_json(product: Product) -> dict[str, Any]:
    """The stored form; what was not said stands there as null, which costs less than asking."""
    stored = dict(zip(_FIELDS, _values(product), strict=True))
    if product.times:
        stored["times"] = dict(product.times)
    if product.prices:
        stored["prices"] = list(map(list, product.prices))
    if product.demand is not None:
        stored["demand"] = list(product.demand)
    return stored


def product_from_json(stored: Mapping[str, Any]) -> Product:
    """Undo ``product_to_json``."""
    if "prices" in stored or "demand" in stored:
        stored = {
            **stored,
            "prices": tuple((at, minor) for at, minor in stored.get("prices", ())),
            "demand": demand_from_json(stored.get("demand")),
        }
    return Product(**stored)


def statement_to_json(statement: Statement) -> dict[str, Any]:
    """The stored form."""
    return {"sku": statement.sku, "at": statement.at, "says": dict(statement.says)}


def statement_from_json(stored: Mapping[str, Any]) -> Statement:
    """Undo ``statement_to_json``."""
    return Statement(stored["sku"], stored["at"], stored["says"])
