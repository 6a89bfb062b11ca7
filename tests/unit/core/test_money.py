"""Money: whole minor units, read exactly, never through a float."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import BadInput
from chalicelib.core.money import (
    LARGEST_AMOUNT_MINOR,
    MINOR_DIGITS,
    check_currency,
    format_amount,
    parse_amount,
)


@given(st.integers(0, LARGEST_AMOUNT_MINOR), st.sampled_from(sorted(MINOR_DIGITS)))
def test_what_is_written_is_read_back(amount_minor: int, currency: str) -> None:
    """Every amount survives its way through text, in every currency."""
    text, code = format_amount(amount_minor, currency=currency).split()

    assert code == currency
    assert parse_amount(text, currency=currency, field="total") == amount_minor


@pytest.mark.parametrize(
    ("value", "currency", "amount_minor"),
    [
        (29.33, "USD", 2933),
        ("29.33", "USD", 2933),
        (Decimal("29.33"), "USD", 2933),
        (1.005, "USD", 100),  # half to even
        (1.015, "USD", 102),
        (0.1 + 0.2, "USD", 30),
        (500, "JPY", 500),
        ("1.2345", "KWD", 1234),
        (-0.0, "USD", 0),
        ("1e3", "USD", 100_000),
        ("1e-400", "USD", 0),
    ],
)
def test_major_units_become_minor_units(value: object, currency: str, amount_minor: int) -> None:
    """The digits of the currency decide, and halves go to the even neighbour."""
    assert parse_amount(value, currency=currency, field="total") == amount_minor


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (True, "must be a number"),
        (None, "must be a number"),
        ([1], "must be a number"),
        ("ten", "must be a number"),
        ("1,50", "must be a number"),
        (float("nan"), "must be finite"),
        (float("-inf"), "must be finite"),
        ("NaN", "must be finite"),
        (-0.01, "must not be negative"),
        ("1e30", "must be at most"),
        (10**11, "must be at most"),
    ],
)
def test_what_is_no_amount_is_refused_by_name(value: object, problem: str) -> None:
    """The error names the field and what is wrong with it."""
    with pytest.raises(BadInput) as refused:
        parse_amount(value, currency="USD", field="properties.total")

    (error,) = refused.value.errors
    assert error.field == "properties.total"
    assert problem in error.problem


@given(
    st.text() | st.floats() | st.integers() | st.decimals() | st.none(),
    st.sampled_from(["USD", "JPY", "KWD"]),
)
def test_nothing_makes_the_reader_crash(value: object, currency: str) -> None:
    """Any value is an amount within bounds or bad input."""
    try:
        assert 0 <= parse_amount(value, currency=currency, field="x") <= LARGEST_AMOUNT_MINOR
    except BadInput:
        pass


@pytest.mark.parametrize("code", ["usd", "XXX", "", None, 840, ["USD"]])
def test_only_iso_4217_codes_are_currencies(code: object) -> None:
    """Anything else is refused by name."""
    with pytest.raises(BadInput, match=r"currency: must be an upper-case ISO 4217 code"):
        check_currency(code, field="currency")


def test_every_known_code_is_a_currency() -> None:
    """The table holds three letters each, and 0, 2 or 3 digits."""
    assert {check_currency(code, field="x") for code in MINOR_DIGITS} == set(MINOR_DIGITS)
    assert {len(code) for code in MINOR_DIGITS} == {3}
    assert set(MINOR_DIGITS.values()) == {0, 2, 3}
