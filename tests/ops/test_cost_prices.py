"""The price table: nothing unknown, nothing missing, every row with its source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.cost.bill import bill_of
from ops.cost.prices import LIMITED, PRICED, PRICES, PricesRefused, read_prices


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    copy = tmp_path / "prices.toml"
    copy.write_text(PRICES.read_text())
    return copy


def without(text: str, row: str) -> str:
    """The table without the row of this id."""
    head, *rows = re.split(r"(?=\[\[)", text)
    return head + "".join(each for each in rows if f'id = "{row}"' not in each)


def test_every_row_has_a_page_of_aws_and_says_where_it_was_read() -> None:
    """The address is AWS's; a figure that was read elsewhere is marked."""
    prices = read_prices()

    assert prices.region == "us-east-1"
    assert set(prices.prices) == PRICED
    assert set(prices.quotas) == LIMITED
    for row in prices.prices.values():
        assert re.match(r"https://(aws|docs\.aws)\.amazon\.com/", row.url), row.id
        own = re.match(r"https://(aws|docs\.aws)\.amazon\.com/", row.read_in) is not None
        assert row.secondary is not own, row.id
    for quota in prices.quotas.values():
        assert quota.url.startswith("https://docs.aws.amazon.com/"), quota.id


@pytest.mark.parametrize("row", sorted(PRICED | LIMITED))
def test_a_missing_row_is_named(table: Path, row: str) -> None:
    """No price is taken for nothing."""
    table.write_text(without(table.read_text(), row))

    with pytest.raises(PricesRefused, match=f"{re.escape(row)} is missing"):
        read_prices(table)


def test_an_unknown_row_is_refused(table: Path) -> None:
    """A price that no bill asks for is a mistake in the table."""
    table.write_text(table.read_text().replace('id = "s3.put"', 'id = "s3.putt"'))

    with pytest.raises(PricesRefused, match=r"price s3\.putt is not one that is asked for"):
        read_prices(table)


def test_a_row_stands_there_once(table: Path) -> None:
    """Of two prices nobody could say which one holds."""
    table.write_text(table.read_text().replace('id = "s3.put"', 'id = "s3.get"'))

    with pytest.raises(PricesRefused, match=r"price s3\.get stands there twice"):
        read_prices(table)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("dollars = 0.20", "dollars = -0.20", r"price\.0\.dollars"),
        ("dollars = 0.20", "dollars = nan", r"price\.0\.dollars"),
        ("per = 1_000_000", "per = 0", r"price\.0\.per"),
        ("read_on = 2026-11-27", "", "read_on"),
        ("secondary = true", "", "secondary"),
        ("[[price]]", "[[price", r"prices\.toml"),
    ],
)
def test_a_malformed_table_says_where(table: Path, old: str, new: str, problem: str) -> None:
    """The error names the field."""
    table.write_text(table.read_text().replace(old, new, 1))

    with pytest.raises(PricesRefused, match=problem):
        read_prices(table)


def test_a_bill_multiplies_and_adds() -> None:
    """Two million requests and three million write units, by hand."""
    prices = read_prices()
    bill = bill_of("two", {"lambda.request": 1, "dynamodb.write_unit": 1.5}, prices, times=2e6)

    assert bill.dollars == pytest.approx(2 * 0.20 + 3 * 0.625)
    assert bill.by_service == pytest.approx({"DynamoDB": 1.875, "Lambda": 0.40})
    assert next(iter(bill.by_service)) == "DynamoDB"


def test_a_unit_without_a_price_is_an_error() -> None:
    """It is not billed as nothing."""
    with pytest.raises(PricesRefused, match=r"moon\.landing has no price"):
        bill_of("", {"moon.landing": 1}, read_prices())
