"""An article is what was last said of each of its fields, however the statements arrive."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.catalogue import (
    Product,
    Statement,
    product_from_json,
    product_to_json,
    statement_from_json,
    statement_to_json,
    take_statement,
)
from chalicelib.core.demand import Demand

SAYS: dict[str, st.SearchStrategy[Any]] = {
    "price": st.tuples(st.just("USD"), st.integers(0, 5000)),
    "floor": st.none() | st.tuples(st.just("USD"), st.integers(0, 5000)),
    "title": st.sampled_from(["Mug", "Cup"]),
    "category": st.sampled_from(["home", "kitchen"]),
    "stock": st.integers(0, 50),
}
STATEMENTS = st.lists(
    st.builds(
        Statement,
        sku=st.just("A"),
        at=st.integers(0, 10**6),
        says=st.fixed_dictionaries({}, optional=SAYS).filter(bool),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda each: each.at,
)


def told(*statements: Statement) -> Product:
    """What they come to, in this order."""
    product: Product | None = None
    for each in statements:
        product = product_from_json(product_to_json(take_statement(product, each)))
    assert product is not None
    return product


def plain(product: Product) -> tuple[Any, ...]:
    """The five things that are said of an article."""
    return (
        product.base_price_minor,
        product.floor_minor,
        product.title,
        product.category,
        product.stock,
    )


@given(STATEMENTS, st.randoms(use_true_random=False))
def test_of_each_field_the_latest_statement_stands_in_any_order(
    statements: list[Statement], random: Any
) -> None:
    """Files and messages overtake each other, and repeat themselves."""
    latest: dict[str, Any] = {}
    for each in sorted(statements, key=lambda said: said.at):
        latest |= each.says
    arrival = [*statements, random.choice(statements)]
    random.shuffle(arrival)

    price, floor = latest.get("price"), latest.get("floor")
    assert plain(told(*arrival)) == (
        None if price is None else price[1],
        None if floor is None else floor[1],
        latest.get("title"),
        latest.get("category"),
        latest.get("stock"),
    )


def test_of_two_statements_at_one_moment_the_one_that_arrives_later_stands() -> None:
    """A corrected file, dropped with the same ``as-of``, replaces the first."""
    wrong = Statement("A", 5, {"price": ("USD", 200), "floor": None})
    right = Statement("A", 5, {"price": ("USD", 2000), "floor": ("USD", 1500)})

    assert plain(told(wrong, right))[:2] == (2000, 1500)


@pytest.mark.parametrize("late", [False, True])
def test_a_floor_in_another_currency_is_none(late: bool) -> None:
    """The price moved to euros; a floor in dollars protects nothing, so prices stay published."""
    dollars = Statement("A", 1, {"price": ("USD", 2000), "floor": ("USD", 1500)})
    euros = Statement("A", 2, {"price": ("EUR", 1900)})
    floor = Statement("A", 3, {"floor": ("USD", 1500)})

    product = told(dollars, floor, euros) if late else told(dollars, euros, floor)

    assert (product.currency, product.base_price_minor, product.floor_minor) == ("EUR", 1900, None)
    assert product.prices == ((2, 1900),)


def test_a_late_price_in_another_currency_breaks_the_history() -> None:
    """Between two prices in dollars it was sold in euros: nothing before counts."""
    product = told(
        Statement("A", 0, {"price": ("USD", 2000)}),
        Statement("A", 30, {"price": ("USD", 2000)}),
        Statement("A", 15, {"price": ("EUR", 10)}),
    )

    assert (product.currency, product.prices) == ("USD", ((30, 2000),))


def test_an_article_without_a_price_waits_for_one() -> None:
    """Stock and floor may be said before the file that names the price."""
    product = told(Statement("A", 1, {"stock": 3}), Statement("A", 2, {"floor": ("USD", 5)}))

    assert (product.base_price_minor, product.stock, product.floor_minor) == (None, 3, 5)
    assert told(
        Statement("A", 1, {"stock": 3}),
        Statement("A", 2, {"floor": ("USD", 5)}),
        Statement("A", 0, {"price": ("USD", 9)}),
    ) == Product(
        "A", "USD", 9, 5, stock=3, said_at=0,
        times={"floor": 2, "title": -1, "category": -1, "stock": 1}, prices=((0, 9),),
    )  # fmt: skip


def test_what_is_stored_comes_back() -> None:
    """History and demand included; an article of old has neither."""
    product = Product(
        "A", "USD", 9, times={"stock": 4}, prices=((1, 8), (2, 9)), demand=Demand(1.5, 2.0, 3)
    )
    old = {"sku": "A", "currency": "USD", "base_price_minor": 9, "floor_minor": None,
           "title": None, "category": None, "stock": None, "said_at": 7}  # fmt: skip

    assert product_from_json(product_to_json(product)) == product
    assert product_from_json(old) == Product("A", "USD", 9, said_at=7)
    assert product_to_json(Product("A", "USD", 9, said_at=7)) == old


def test_a_statement_comes_back() -> None:
    """On its way through the stream."""
    said = Statement("A", 5, {"price": ("USD", 9), "floor": None})
    again = statement_from_json(statement_to_json(said))

    assert plain(told(again)) == plain(told(said))
