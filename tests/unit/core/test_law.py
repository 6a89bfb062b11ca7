"""The table of jurisdictions: both sides of every date, strictest mode, all disclosures."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from chalicelib.core.law import Jurisdiction, Jurisdictions, rule_on
from ops.prove.law import figures
from tests.unit.core.situations import shipped_rules

TABLE = shipped_rules().jurisdictions
NY_TEXT = "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA"


@pytest.mark.parametrize(
    ("on", "disclosures"), [(date(2025, 11, 9), ()), (date(2025, 11, 10), (NY_TEXT,))]
)
def test_new_york_begins_on_its_day(on: date, disclosures: tuple[str, ...]) -> None:
    """The disclosure is due from 10 November 2025, not a day earlier."""
    ruling = rule_on(TABLE, country="US", region="NY", on=on, default="discount_only")

    assert ruling.disclosures == disclosures
    assert ruling.mode == "discount_only"


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: row.id)
def test_every_shipped_row_holds_exactly_between_its_dates(row: Jurisdiction) -> None:
    """A row matches on its first day and not on the day before; a disabled one never does."""
    region = row.regions[0] if row.regions else None

    def rows(on: date) -> tuple[str, ...]:
        return rule_on(TABLE, country=row.countries[0], region=region, on=on, default="allow").rows

    assert (row.id in rows(row.since)) == row.enabled
    if row.since > date(1970, 1, 1):
        assert row.id not in rows(row.since - timedelta(days=1))


def test_an_unknown_place_has_no_mode() -> None:
    """No row, no personal price."""
    ruling = rule_on(TABLE, country="ZZ", region=None, on=date(2026, 11, 22), default="allow")

    assert ruling.mode is None
    assert not ruling.permits_personal_price


def test_the_strictest_row_wins_and_every_disclosure_applies() -> None:
    """Two matching rows: the stricter mode, both texts, in table order."""
    first = TABLE.rows[0].model_copy(update={"id": "a", "mode": "disclose", "disclosure": "one"})
    second = first.model_copy(update={"id": "b", "mode": "ban", "disclosure": "two"})

    ruling = rule_on(
        Jurisdictions(rows=(first, second)),
        country="US",
        region=None,
        on=date(2026, 1, 1),
        default="allow",
    )

    assert (ruling.mode, ruling.disclosures) == ("ban", ("one", "two"))


def test_a_region_that_nobody_named_could_be_any() -> None:
    """Somewhere in the United States: New York's words are shown, and its ban would bind."""
    on = date(2027, 1, 1)
    told = rule_on(TABLE, country="US", region=None, on=on, default="discount_only")
    banned = [
        row.model_copy(update={"enabled": True}) if row.id == "us-ny-a9349-b" else row
        for row in TABLE.rows
    ]
    ruling = rule_on(
        Jurisdictions(rows=tuple(banned)), country="US", region=None, on=on, default="discount_only"
    )

    assert (told.mode, told.disclosures) == ("discount_only", (NY_TEXT,))
    assert not ruling.permits_personal_price
    elsewhere = rule_on(TABLE, country="US", region="TX", on=on, default="discount_only")
    assert elsewhere.disclosures == ()


def test_one_text_of_two_rows_is_shown_once() -> None:
    """Two laws that ask for the same words are kept by saying them once."""
    first = TABLE.rows[0].model_copy(update={"id": "a", "mode": "disclose", "disclosure": "one"})
    second = first.model_copy(update={"id": "b"})

    ruling = rule_on(
        Jurisdictions(rows=(first, second)),
        country="US",
        region=None,
        on=date(2026, 1, 1),
        default="allow",
    )

    assert ruling.disclosures == ("one",)


@pytest.mark.slow
def test_every_channel_shows_what_the_law_asks_on_both_sides_of_every_date() -> None:
    """API, text and HTML, each row of the table, its flag both ways: the exact text or no price."""
    told = figures()

    assert told["law_exact_percent"] == 100.0
    assert told["law_cases"] > 3_000
    assert told["law_features_read_on_opt_out"] == 0
