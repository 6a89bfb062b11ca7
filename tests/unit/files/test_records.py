"""What a row means, and by which column it means nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.core.catalogue import Statement
from chalicelib.core.contact import MOST_SUPPLIED
from chalicelib.core.errors import BadInput
from chalicelib.core.instants import DAY_SECONDS, format_instant, parse_instant
from chalicelib.files.mapping import Mapping, mapping_from_json
from chalicelib.files.records import (
    Row,
    check_customer_columns,
    grouped,
    read_customer,
    read_order,
    read_product,
)
from chalicelib.files.unpack import FileRefused

NOW = 1_795_000_000
ROW: dict[str, Any] = {
    "order_id": "o-1",
    "customer_id": "c-1",
    "ordered_at": "2026-02-03T10:00:00+02:00",
    "quantity": Decimal(2),
    "currency": "USD",
    "unit_price": Decimal("10.50"),
    "amount": None,
}


def legacy(**changes: Any) -> Mapping:
    """A German export with order ids."""
    columns = {
        "order_id": "A",
        "customer_id": "K",
        "ordered_at": "D",
        "quantity": "M",
        "amount": "B",
        "status": "S",
    }
    returns = {
        "negative_quantity": True,
        "cancelled_statuses": ["storniert"],
        "returned_statuses": ["Retoure"],
    }
    given = {
        "currency": "EUR",
        "columns": columns,
        "date_format": "%d.%m.%Y %H:%M",
        "time_zone": "Europe/Berlin",
        "decimal": ",",
        "thousands": ".",
        "returns": returns,
    }
    return mapping_from_json({**given, **changes})


EXPORTED: dict[str, Any] = {
    "order_id": "A1",
    "customer_id": "K1",
    "ordered_at": "03.07.2026 00:30",
    "quantity": Decimal(1),
    "amount": "1.234,50",
    "status": "bezahlt",
}


def test_a_canonical_row_is_a_sale() -> None:
    """Moments with an offset, and amounts from quantity and unit price."""
    line = read_order(7, ROW, legacy=None, as_of=NOW)

    assert (line.record, line.kind, line.order_id, line.customer_id) == (7, "sale", "o-1", "c-1")
    assert line.at == parse_instant("2026-02-03T08:00:00Z", field="at")
    assert (line.amount_minor, line.currency) == (2100, "USD")


@pytest.mark.parametrize(
    ("values", "amount_minor"),
    [
        ({"amount": Decimal("29.33000000")}, 2933),
        ({"amount": Decimal("29.335")}, 2934),
        ({"amount": Decimal("29.345")}, 2934),
        ({"quantity": Decimal(1000), "unit_price": Decimal("0.005")}, 500),
        ({"quantity": Decimal(3), "unit_price": Decimal("0.333")}, 100),
        ({"amount": Decimal(7), "unit_price": Decimal(1)}, 700),
        ({"currency": "JPY", "amount": Decimal(1200)}, 1200),
        ({"currency": "KWD", "amount": Decimal("1.2345")}, 1234),
        ({"quantity": Decimal(0)}, 0),
    ],
)
def test_money_is_rounded_once_and_half_to_even(values: dict[str, Any], amount_minor: int) -> None:
    """The amount where one is given, else pieces times price; never a float in between."""
    line = read_order(1, {**ROW, **values}, legacy=None, as_of=NOW)

    assert line.amount_minor == amount_minor


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"order_id": None}, "order_id"),
        ({"order_id": "x" * 129}, "order_id"),
        ({"customer_id": None}, "customer_id"),
        ({"customer_id": "a\nb"}, "customer_id"),
        ({"ordered_at": None}, "ordered_at"),
        ({"ordered_at": "yesterday"}, "ordered_at"),
        ({"ordered_at": "1969-12-31"}, "ordered_at"),
        ({"ordered_at": format_instant(NOW + DAY_SECONDS)}, "ordered_at"),
        ({"currency": None}, "currency"),
        ({"currency": "usd"}, "currency"),
        ({"quantity": None}, "quantity"),
        ({"quantity": Decimal("2.7")}, "quantity"),
        ({"quantity": Decimal(-1)}, "quantity"),
        ({"quantity": Decimal(1_000_001)}, "quantity"),
        ({"unit_price": None}, "amount"),
        ({"unit_price": Decimal(-1)}, "unit_price"),
        ({"unit_price": Decimal(10) ** 12}, "unit_price"),
        ({"quantity": None, "amount": Decimal(-1)}, "amount"),
        ({"amount": Decimal(-1)}, "amount"),
    ],
)
def test_a_row_that_means_nothing_names_its_column(values: dict[str, Any], field: str) -> None:
    """Ids, moments, currencies and amounts are checked by the rules of the core."""
    with pytest.raises(BadInput) as refused:
        read_order(1, {**ROW, **values}, legacy=None, as_of=NOW)

    assert refused.value.errors[0].field == field


def test_equal_rows_have_equal_content_and_others_do_not() -> None:
    """Every column takes part, those that we do not know included."""
    first, second, third = (
        read_order(record, {**ROW, "note": note}, legacy=None, as_of=NOW).content
        for record, note in ((1, "x"), (2, "x"), (3, "y"))
    )

    assert first == second != third


def test_a_legacy_row_is_read_by_its_habits() -> None:
    """Local time, day first, decimal comma and thousands."""
    line = read_order(1, EXPORTED, legacy=legacy(), as_of=NOW)

    assert line.at == parse_instant("2026-07-02T22:30:00Z", field="at")
    assert (line.amount_minor, line.currency, line.kind) == (123_450, "EUR", "sale")


@pytest.mark.parametrize(
    ("values", "kind", "amount_minor"),
    [
        ({"status": "storniert"}, "cancel", 123_450),
        ({"status": "storniert", "amount": None}, "cancel", 0),
        ({"status": "Retoure"}, "return", 123_450),
        ({"quantity": Decimal(-1)}, "return", 123_450),
        ({"quantity": Decimal(-1), "amount": "-10,00"}, "return", 1000),
        ({"quantity": None, "amount": "-10,00"}, "return", 1000),
        ({"status": "storniert", "quantity": Decimal(-1)}, "cancel", 123_450),
    ],
)
def test_corrections_are_known_by_status_or_sign(
    values: dict[str, Any], kind: str, amount_minor: int
) -> None:
    """The sign of a correction says nothing that its kind does not."""
    line = read_order(1, {**EXPORTED, **values}, legacy=legacy(), as_of=NOW)

    assert (line.kind, line.amount_minor) == (kind, amount_minor)


@pytest.mark.parametrize("amount", ["12.34", "1.23,5", "1,2,3", "1234.567,00", "x", "", "--1", "٣"])
def test_a_number_in_other_habits_is_rejected(amount: str) -> None:
    """12.34 is not a thousand and more because a dot groups thousands."""
    with pytest.raises(BadInput, match="amount: must be a number such as 29,33"):
        read_order(1, {**EXPORTED, "amount": amount}, legacy=legacy(), as_of=NOW)


@pytest.mark.parametrize("moment", ["2026-07-03", "31.02.2026 10:00", "03.07.2026", None])
def test_a_date_in_other_habits_is_rejected(moment: str | None) -> None:
    """The format of the mapping is the only one."""
    with pytest.raises(BadInput, match="ordered_at: must be written as"):
        read_order(1, {**EXPORTED, "ordered_at": moment}, legacy=legacy(), as_of=NOW)


def test_an_export_without_ids_may_leave_them_out() -> None:
    """An id is derived later; where the mapping names a column, it must be filled."""
    columns = {"customer_id": "K", "ordered_at": "D", "amount": "B"}
    without = mapping_from_json({"currency": "EUR", "columns": columns})
    row = {"customer_id": "K1", "ordered_at": "2026-01-01", "amount": Decimal(1)}

    assert read_order(1, row, legacy=without, as_of=NOW).order_id is None
    with pytest.raises(BadInput, match="order_id"):
        read_order(1, {**EXPORTED, "order_id": None}, legacy=legacy(), as_of=NOW)


def test_a_customers_row_is_contact_consent_and_supplied_features() -> None:
    """Empty cells say nothing; what spells a plain number is one, and 0042 is a code."""
    row = {
        "customer_id": "c-1",
        "email": "ann@example.com",
        "first_name": "",
        "consent_profiling": False,
        "score": "1.5e2",
        "shop": "0042",
        "ratio": "nan",
        "club": None,
    }

    customer_id, change = read_customer(row, at=NOW)

    assert customer_id == "c-1"
    assert {name: said.value for name, said in change.fields.items()} == {
        "email": "ann@example.com",
        "consent_profiling": False,
    }
    assert {name: said.value for name, said in change.supplied.items()} == {
        "score": 150.0,
        "shop": "0042",
        "ratio": "nan",
    }
    assert {said.at for said in (*change.fields.values(), *change.supplied.values())} == {NOW}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("customer_id", None),
        ("email", "nobody"),
        ("email", "a@b.example, c@d.example"),
        ("country", "Germany"),
        ("region", "new york"),
        ("time_zone", "Berlin time"),
        ("first_name", "a\x07b"),
        ("club", "x" * 400),
    ],
)
def test_a_bad_field_of_a_customer_is_named(name: str, value: str | None) -> None:
    """Shapes are those of the core's contact fields."""
    with pytest.raises(BadInput) as refused:
        read_customer({"customer_id": "c-1", name: value}, at=NOW)

    assert refused.value.errors[0].field == name


@pytest.mark.parametrize(
    "name", ["First Order", "consent_everything", "2nd", "x" * 65, "DROP TABLE"]
)
def test_a_column_that_no_row_could_have_refuses_the_file(name: str) -> None:
    """One reason instead of one for each row."""
    with pytest.raises(FileRefused):
        check_customer_columns(["customer_id", "email", name])


def test_more_features_than_a_profile_holds_refuse_the_file() -> None:
    """A profile stays small."""
    check_customer_columns(f"f{n}" for n in range(MOST_SUPPLIED))

    with pytest.raises(FileRefused, match="more than 64 supplied features"):
        check_customer_columns(f"f{n}" for n in range(MOST_SUPPLIED + 1))


def test_a_catalogue_row_is_a_product() -> None:
    """It states price and floor in minor units, even that there is none; empty cells are silent."""
    row = {
        "sku": "MUG",
        "currency": "USD",
        "base_price": Decimal("20.00"),
        "floor_price": None,
        "title": "A mug",
        "category": "",
        "stock": Decimal(3),
    }

    assert read_product(row, at=NOW) == Statement(
        "MUG",
        NOW,
        {"price": ("USD", 2000), "floor": None, "title": "A mug", "stock": 3},
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sku", None),
        ("currency", "usd"),
        ("base_price", None),
        ("base_price", Decimal(-1)),
        ("floor_price", Decimal(21)),
        ("floor_price", Decimal(-1)),
        ("stock", Decimal("1.5")),
        ("stock", Decimal(-1)),
        ("title", "x" * 201),
        ("category", "a\tb"),
    ],
)
def test_a_bad_field_of_a_product_is_named(name: str, value: object) -> None:
    """A floor above the price is an error of the shop, not a price."""
    row = {"sku": "MUG", "currency": "USD", "base_price": Decimal(20), name: value}

    with pytest.raises(BadInput) as refused:
        read_product(row, at=NOW)

    assert refused.value.errors[0].field == name


def test_rows_of_nobody_are_not_one_group() -> None:
    """A million rows without an id must not be held together in memory."""
    rows: list[tuple[int, Row]] = [
        (1, {"a": None}),
        (2, {"a": None}),
        (3, {"a": "x"}),
        (4, {"a": "x"}),
        (5, {"a": "y"}),
    ]

    assert [[record for record, _ in group] for group in grouped(rows, "a")] == [
        [1],
        [2],
        [3, 4],
        [5],
    ]
