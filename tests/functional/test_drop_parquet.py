"""Parquet drops of every kind: typed values mean what the texts of a CSV would mean."""

from __future__ import annotations

import pytest

from chalicelib.flows.drop_work import DropLimits
from tests.drops import DataTeam, order_row, orders_csv
from tests.parquet_files import parquet

ORDERS = """
    SELECT 'o-' || i AS order_id, 'c-1' AS customer_id, {at} AS ordered_at, 1 AS quantity,
    'USD' AS currency, {amount} AS amount FROM range({rows}) AS t(i)
"""


def orders(
    *,
    at: str = "TIMESTAMP '2025-06-01 10:00:00'",
    amount: str = "29.33::DOUBLE",
    rows: int = 1,
) -> bytes:
    """Orders of one customer."""
    return parquet(ORDERS.format(at=at, amount=amount, rows=rows))


@pytest.fixture
def team() -> DataTeam:
    """A data team before its first drop."""
    return DataTeam()


@pytest.mark.parametrize(
    ("at", "amount"),
    [
        ("TIMESTAMP '2025-06-01 10:00:00'", "29.33::DOUBLE"),
        ("TIMESTAMP_NS '2025-06-01 10:00:00.123456789'", "29.33::FLOAT"),
        ("TIMESTAMP_MS '2025-06-01 10:00:00'", "29.33::DECIMAL(9, 2)"),
        ("TIMESTAMPTZ '2025-06-01 12:00:00+02'", "29.33::DECIMAL(38, 10)"),
        ("'2025-06-01T10:00:00Z'", "'29.33'"),
    ],
)
def test_typed_orders_are_the_orders_of_a_csv(team: DataTeam, at: str, amount: str) -> None:
    """The same profile, to the cent and the second, whatever the columns' types."""
    row = "o-0,c-1,2025-06-01T10:00:00Z,1,USD,29.33"

    drop = team.drop("orders/a.parquet", orders(at=at, amount=amount))

    assert drop.state == "COMPLETE", drop.reason
    other = DataTeam()
    other.drop("orders/a.csv", orders_csv(row))
    facts = team.facts("c-1")
    assert facts is not None
    assert facts == other.facts("c-1")
    assert facts.recent[0].amount_minor == 2933


def test_a_date_and_a_whole_amount_are_taken(team: DataTeam) -> None:
    """A DATE is its midnight in UTC, an integer is that many whole units."""
    team.drop("orders/a.parquet", orders(at="DATE '2025-06-01'", amount="29"))

    facts = team.facts("c-1")
    assert facts is not None
    assert [(order.at, order.amount_minor) for order in facts.recent] == [(1_748_736_000, 2900)]


def test_a_mapping_needs_no_date_format_for_a_typed_moment(team: DataTeam) -> None:
    """A typed date is one, whatever format the export's texts have; so is a typed amount."""
    body = parquet(
        "SELECT '17' AS customer_id, DATE '1998-01-02' AS date,"
        " 2 AS number_of_cds, 29.33 AS dollar_value"
    )

    drop = team.drop("orders/cdnow/a.parquet", body)

    assert drop.state == "COMPLETE", drop.reason
    facts = team.facts("17")
    assert facts is not None
    assert [(order.at, order.amount_minor) for order in facts.recent] == [(883_699_200, 2933)]


@pytest.mark.parametrize(
    ("key", "select", "words"),
    [
        ("orders/a.parquet", "amount: STRUCT", "amount: is a STRUCT column, must be a number"),
        ("orders/a.parquet", "amount: BOOLEAN", "amount: is a BOOLEAN column"),
        (
            "orders/a.parquet",
            "ordered_at: BIGINT",
            "ordered_at: is a BIGINT column, must be a date",
        ),
        ("orders/a.parquet", "order_id: DOUBLE", "order_id: is a DOUBLE column, must be text"),
        ("orders/a.parquet", "customer_id: BLOB", "customer_id: is a BLOB column"),
        ("orders/a.parquet", "currency: LIST", "currency: is a LIST column"),
        ("features/a.parquet", "frequency: DATE", "frequency: is a DATE column"),
        ("features/a.parquet", "consent_profiling: DOUBLE", "must be true or false"),
        ("customers/a.parquet", "email: LIST", "email: is a LIST column"),
        ("customers/a.parquet", "points: STRUCT", "points: is a STRUCT column"),
        ("catalog/a.parquet", "base_price: BLOB", "base_price: is a BLOB column"),
    ],
)
def test_a_column_that_cannot_mean_it_is_refused_by_name(
    team: DataTeam, key: str, select: str, words: str
) -> None:
    """A struct is no amount and a list no currency: the file is rejected before a row counts."""
    name, kind = select.split(": ")
    values = {
        "STRUCT": "{'a': 1}",
        "LIST": "['a']",
        "BLOB": "'a'::BLOB",
        "BOOLEAN": "true",
        "BIGINT": "17::BIGINT",
        "DOUBLE": "17.5::DOUBLE",
        "DATE": "DATE '2025-06-01'",
    }
    columns = {
        "orders": "order_id,customer_id,ordered_at,quantity,currency,amount",
        "features": "customer_id,recency_days,frequency,monetary_minor,tenure_days,mean_gap_days",
        "customers": "customer_id,email",
        "catalog": "sku,base_price,currency",
    }[key.split("/")[0]].split(",")
    wanted = ", ".join(f"'1' AS {column}" for column in columns if column != name)

    drop = team.drop(key, parquet(f"SELECT {wanted}, {values[kind]} AS {name}"))

    assert drop.state == "REJECTED"
    assert words in str(drop.reason)


def test_values_that_do_not_fit_are_rejects(team: DataTeam) -> None:
    """By record number, column, value and reason; the others of the file are taken."""
    body = parquet(
        """SELECT * FROM (VALUES
          ('o-1', 'c-1', '2025-06-01', '1', 'USD', 5.5::DOUBLE),
          ('o-2', 'c-2', '2025-06-01', 'many', 'USD', 5.5),
          ('o-3', 'c-3', '2025-06-01', '1', 'USD', 'nan'),
          ('o-4', 'c-4', 'yesterday', '1', 'USD', 1),
          (NULL, 'c-5', '2025-06-01', '1', 'USD', 1),
          ('o-6', 'c-6', '2025-06-01', '', 'USD', 1),
          ('o-7', 'c-7', '2025-06-01', '1', 'USD', 1e300)
        ) AS t(order_id, customer_id, ordered_at, quantity, currency, amount)"""
    )

    drop = team.drop("orders/a.parquet", body)

    found = {
        int(row["record"]): (row["column"], row["value"], row["reason"])
        for row in team.rejects(drop)
    }
    assert found[2] == ("quantity", "many", "must be a whole number")
    assert found[3] == ("amount", "nan", "must be a number such as 29.33")
    assert found[4][:2] == ("ordered_at", "yesterday")
    assert found[5] == ("order_id", "", "must be a non-empty string")
    assert found[7] == ("amount", "1e+300", "must be a number such as 29.33")
    assert sorted(found) == [2, 3, 4, 5, 7]
    assert (drop.counts["records"], drop.counts["folded"], drop.counts["rejected"]) == (7, 2, 5)


def test_customers_and_products_come_typed(team: DataTeam) -> None:
    """Flags, supplied numbers, prices and stock are taken as what they are."""
    people = parquet(
        "SELECT 17::BIGINT AS customer_id, true AS consent_profiling, 'US' AS country,"
        " 0.5::DOUBLE AS loyalty, ['x'] IS NULL AS member"
    )
    goods = parquet(
        "SELECT 'A' AS sku, 19.99::DOUBLE AS base_price, 'USD' AS currency, 7::INTEGER AS stock,"
        " [1, 2] AS tags"
    )

    customers = team.drop("customers/a.parquet", people)
    catalogue = team.drop("catalog/a.parquet", goods)

    assert (customers.counts["folded"], catalogue.counts["folded"]) == (1, 1)
    [contact] = team.store.all("contact").values()
    assert contact.supplied["loyalty"].value == 0.5
    [product] = team.store.all("sku").values()
    assert (product.base_price_minor, product.stock) == (1999, 7)


@pytest.mark.parametrize("cut", [1, 9, 400])
def test_a_truncated_parquet_is_refused(team: DataTeam, cut: int) -> None:
    """An upload that broke off is not half a file."""
    drop = team.drop("orders/a.parquet", orders(rows=50)[:-cut])

    assert drop.state == "REJECTED"
    assert "truncated" in str(drop.reason)


@pytest.mark.parametrize("kind", ["orders", "customers", "catalog", "features"])
def test_no_damage_to_a_parquet_is_tried_for_ever(team: DataTeam, kind: str) -> None:
    """Whatever byte is broken: the drop ends, with a reason or with rejects, and never raises."""
    sound = parquet(
        "SELECT 'k-' || i AS order_id, 'c-' || i AS customer_id, 's-' || i AS sku, '2025-06-01' AS"
        " ordered_at, i AS quantity, 'USD' AS currency, i / 7 AS amount, i / 7 AS base_price,"
        " i / 3 AS recency_days, i AS frequency, i AS monetary_minor, i AS tenure_days,"
        " i AS mean_gap_days FROM range(30) AS t(i)"
    )
    ended = set()
    for at in range(8, len(sound), max(1, len(sound) // 25)):
        broken = bytearray(sound)
        broken[at] ^= 0xFF

        drop = team.drop(f"{kind}/{at}.parquet", bytes(broken))

        ended.add(drop.state)
    assert ended <= {"COMPLETE", "REJECTED"}
    assert "REJECTED" in ended


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ("SELECT 1 AS customer_id FROM range(300000)", "holds more than 100000 values"),
        ("SELECT repeat('x', 200000) || i AS customer_id FROM range(3) t(i)", "is larger than"),
    ],
)
def test_a_parquet_bomb_is_refused_by_its_footer(team: DataTeam, select: str, words: str) -> None:
    """Rows that take no room, and values that unfold, are counted before anything is read."""
    team.limits = DropLimits(most_bytes=100_000)
    body = parquet(select)
    assert len(body) < 100_000

    drop = team.drop("customers/a.parquet", body)

    assert drop.state == "REJECTED"
    assert words in str(drop.reason)


def test_one_long_text_in_a_million_rows_stays_one(team: DataTeam) -> None:
    """A dictionary says a long text once for many rows; what they say together is bounded."""
    team.limits = DropLimits(most_bytes=1_000_000)
    body = parquet(
        "SELECT 'c-' || i AS customer_id, repeat('x', 20000) AS first_name FROM range(500) t(i)"
    )
    assert len(body) < 100_000

    drop = team.drop("customers/a.parquet", body)

    assert drop.state == "REJECTED"
    assert "larger than 1000000 bytes" in str(drop.reason)


def test_a_parquet_is_no_text(team: DataTeam) -> None:
    """Nor a text a Parquet; and one that is packed again is not unpacked."""
    one = team.drop("orders/a.csv", orders())
    two = team.drop("orders/a.parquet", orders_csv(order_row("o-1", "c-1", days_ago=9)))
    three = team.drop("orders/a.parquet.gz", orders())

    assert {one.state, two.state, three.state} == {"REJECTED"}
    assert "is no Parquet file" in str(two.reason)
    assert "must end with .parquet alone" in str(three.reason)
