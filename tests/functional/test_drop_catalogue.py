"""A catalogue file beside all else that is written to its articles."""

from __future__ import annotations

import pytest

from chalicelib.core.catalogue import Product
from chalicelib.core.demand import Demand
from chalicelib.core.errors import Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import PRODUCT
from chalicelib.core.storage import AtVersion, Check, Conflict, Put
from chalicelib.flows.drop_catalogue import MOST_ROUNDS
from tests.drops import DataTeam
from tests.unit.core.situations import NOW

# The drop itself is saved before the first article: as it is fetched, read, and taken in.
BEGUN = (None, None, None)


@pytest.fixture
def team() -> DataTeam:
    """A data team before its first file."""
    return DataTeam()


def rows(count: int, price: str = "20.00") -> str:
    """So many articles."""
    return "sku,base_price,floor_price,currency\n" + "".join(
        f"A{nth:02},{price},15.00,USD\n" for nth in range(count)
    )


def article(team: DataTeam, sku: str) -> Product:
    """An article as it stands."""
    product = team.store.one(PRODUCT.key(sku))
    assert product is not None
    return product


def test_a_file_keeps_what_was_counted_and_what_it_does_not_say(team: DataTeam) -> None:
    """Demand, stock and title of an earlier day stay; the old price becomes history."""
    old = Product(
        "A00", "USD", 1000, title="Mug", stock=3, said_at=NOW - 9, demand=Demand(4.0, 1.0, NOW)
    )
    team.store.write([Put(PRODUCT.key("A00"), old)], now=NOW)

    team.drop("catalog/all.csv", rows(1))

    now = article(team, "A00")
    assert (now.base_price_minor, now.floor_minor) == (2000, 1500)
    assert (now.title, now.stock, now.demand) == ("Mug", 3, Demand(4.0, 1.0, NOW))
    assert now.prices == ((NOW - 9, 1000), (NOW, 2000))


def lost(sku: str) -> Conflict:
    """What storage says when somebody else has just written this article."""
    return Conflict([Check(PRODUCT.key(sku), AtVersion(0))])


def test_an_article_in_demand_does_not_hold_up_the_others(team: DataTeam) -> None:
    """Whoever keeps writing one of fifty costs that one another try, and the others none."""
    others = None
    team.store.fail_writes(*BEGUN, lost("A07"), others, lost("A07"))

    drop = team.drop("catalog/all.csv", rows(50))

    assert drop.state == "COMPLETE"
    sizes = [size for name, size in team.store.calls if name == "write"]
    assert sizes[3:7] == [50, 49, 1, 1]
    assert all(article(team, f"A{nth:02}").base_price_minor == 2000 for nth in range(50))


def test_an_article_that_never_rests_brings_the_file_back(team: DataTeam) -> None:
    """Five tries; then the message comes again, and the file is taken up where it stopped."""
    team.store.fail_writes(*BEGUN, *(lost("A00") for _ in range(MOST_ROUNDS)))

    with pytest.raises(Transient, match="keeps changing"):
        team.drop("catalog/all.csv", rows(1))


def test_yesterdays_file_that_comes_late_is_history_alone(team: DataTeam) -> None:
    """Its price contradicts nothing that is in force, and is in nobody's way."""
    team.drop("catalog/today.csv", rows(1))
    team.drop("catalog/yesterday.csv", rows(1, "18.00"), as_of=NOW - DAY_SECONDS)

    assert article(team, "A00").base_price_minor == 2000
    assert article(team, "A00").prices == ((NOW, 2000),)
