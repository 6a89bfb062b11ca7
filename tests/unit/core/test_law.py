"""The table of jurisdictions: both sides of every date, strictest mode, all disclosures."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from chalicelib.core.law import Jurisdiction, Jurisdictions, rule_on
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
