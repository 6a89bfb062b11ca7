"""Moments: read from ISO 8601, kept as whole seconds, written back in UTC."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import BadInput
from chalicelib.core.instants import LATEST, format_instant, parse_instant


@given(st.integers(0, LATEST))
def test_what_is_written_is_read_back(moment: int) -> None:
    """Every moment that we store survives its way through ISO 8601."""
    assert parse_instant(format_instant(moment), field="at") == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:00", 0),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.999Z", 0),
        ("19700102", 86_400),
        ("9999-12-31T23:59:59Z", LATEST),
    ],
)
def test_iso_8601_is_read_with_utc_for_a_missing_offset(text: str, moment: int) -> None:
    """Dates, offsets and fractions of a second are understood; fractions are dropped."""
    assert parse_instant(text, field="at") == moment


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "must be an ISO 8601 string"),
        (1_795_000_000, "must be an ISO 8601 string"),
        ("", "is not an ISO 8601 date-time"),
        ("yesterday", "is not an ISO 8601 date-time"),
        ("2026-02-30", "is not an ISO 8601 date-time"),
        ("1969-12-31T23:59:59Z", "lies outside"),
        ("0001-01-01T00:00:00+23:59", "lies outside"),
        ("9999-12-31T23:59:59-23:59", "lies outside"),
    ],
)
def test_what_is_no_moment_is_refused_by_name(text: object, problem: str) -> None:
    """The error names the field and what is wrong with it."""
    with pytest.raises(BadInput) as refused:
        parse_instant(text, field="timestamp")

    (error,) = refused.value.errors
    assert error.field == "timestamp"
    assert problem in error.problem


@given(st.text() | st.floats() | st.none())
def test_nothing_makes_the_reader_crash(text: object) -> None:
    """Any JSON value is a moment within bounds or bad input."""
    try:
        assert 0 <= parse_instant(text, field="at") <= LATEST
    except BadInput:
        pass
