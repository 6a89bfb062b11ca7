"""A big file, divided: what comes of it is what comes of the same file undivided."""

from __future__ import annotations

import csv
import io
import random
from typing import Any

import pytest

from tests.big_drops import BigTeam
from tests.drops import DataTeam, order_row, orders_csv, zipped

KINDS = ("facts", "contact", "order", "effect", "coupon", "live", "contacted", "record")


def orders(count: int, *, seed: int = 7) -> str:
    """Orders of some customers in no order, with every kind of row that is refused or known."""
    chance = random.Random(seed)  # noqa: S311 - invented data
    rows = [
        order_row(f"o-{n}", f"c-{chance.randrange(count // 4)}", days_ago=chance.randrange(5, 400))
        for n in range(count)
    ]
    rows += [rows[1], rows[2]]  # known
    rows += [order_row("o-3", "c-other", days_ago=9)]  # nobody's
    rows += [order_row("o-4", "c-4", days_ago=9, amount="much")]  # spoilt
    rows += ["o-bad,c-1,never,1,USD,3.00", ",c-1,,,,"]
    chance.shuffle(rows)
    return orders_csv(*rows)


def table(team: DataTeam, drop: Any, name: str) -> list[dict[str, str]]:
    """A file of the results of an undivided drop, by customer."""
    return sorted(
        csv.DictReader(io.StringIO(team.result(drop, name).decode())),
        key=lambda row: row["customer_id"],
    )


def by_customer(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Rows in the order of their customers."""
    return sorted(rows, key=lambda row: row["customer_id"])


@pytest.mark.parametrize("pack", [str.encode, zipped], ids=["plain", "gzip"])
def test_a_divided_orders_file_comes_to_what_it_comes_to_undivided(pack: Any) -> None:
    """The same profiles, decisions, scores, rejects and counts; and it was divided indeed."""
    text = orders(120)
    key = "orders/a.csv" if pack is str.encode else "orders/a.csv.gz"
    plain, team = DataTeam(), BigTeam(above_bytes=3_000)
    expected = plain.drop(key, pack(text))

    found = team.finish(team.put(key, pack(text)))

    assert (found.state, found.reason) == ("COMPLETE", None)
    assert {name: found.counts[name] for name in expected.counts} == expected.counts
    for kind in KINDS:
        assert team.store.all(kind) == plain.store.all(kind), kind
    assert by_customer(team.rows(found, "scores/")) == table(plain, expected, "scores.csv")
    assert by_customer(team.rows(found, "unscored/")) == table(plain, expected, "unscored.csv")
    assert team.result(found, "rejects.csv") == plain.result(expected, "rejects.csv")
    assert min(team.engine.ran["Range"], team.engine.ran["Partition"]) >= 3
