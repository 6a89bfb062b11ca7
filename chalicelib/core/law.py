"""Which rules a personal price must keep, by place and date; the table is data, never code.

The mode is the strictest of every matching row and the operator's default; every matching
disclosure applies. An unknown place has no personal price.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

Mode = Literal["allow", "disclose", "discount_only", "ban"]
_STRICTNESS: dict[Mode, int] = {"allow": 0, "disclose": 1, "discount_only": 2, "ban": 3}


class Jurisdiction(BaseModel):
    """One dated row: where, from when to when, which mode, and the exact words to show."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    countries: tuple[str, ...] = Field(min_length=1)
    regions: tuple[str, ...] = ()
    since: date
    until: date | None = None
    mode: Mode
    disclosure: str | None = None
    source: str
    verified: bool
    enabled: bool = True

    @model_validator(mode="after")
    def _regions_need_one_country(self) -> Jurisdiction:
        if self.regions and len(self.countries) != 1:
            raise ValueError("regions: only with exactly one country")
        if self.until is not None and self.until < self.since:
            raise ValueError("until: lies before since")
        return self


class Jurisdictions(BaseModel):
    """The whole table."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    rows: tuple[Jurisdiction, ...]

    def __hash__(self) -> int:
        """Cheap on purpose: a process has one table, and asks it with every decision."""
        return len(self.rows)


class Ruling(NamedTuple):
    """What the law and the operator say of personal prices for one decision.

    Attributes:
        mode: the strictest mode that applies; None when the place is unknown.
        disclosures: exact texts to show with a personal price, in table order.
        rows: ids of the matching rows.
    """

    mode: Mode | None
    disclosures: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()

    @property
    def permits_personal_price(self) -> bool:
        """Whether a feature of the customer may be read for a price at all."""
        return self.mode is not None and self.mode != "ban"


NO_LAW = Jurisdictions(rows=())


def rule_at(
    table: Jurisdictions, *, country: str | None, region: str | None, at: int, default: Mode
) -> Ruling:
    """Find what applies at a place at a moment, in epoch seconds; the table's days are UTC's."""
    on = datetime.fromtimestamp(at, UTC).date()
    return rule_on(table, country=country, region=region, on=on, default=default)


@lru_cache(maxsize=1024)
def rule_on(
    table: Jurisdictions,
    *,
    country: str | None,
    region: str | None,
    on: date,
    default: Mode,
) -> Ruling:
    """Find what applies at a place on a date.

    Where nobody names the region it could be any: the rows of all of the country's apply.
    """
    matching = [
        row
        for row in table.rows
        if row.enabled
        and country in row.countries
        and (not row.regions or region is None or region in row.regions)
        and row.since <= on
        and (row.until is None or on <= row.until)
    ]
    if not matching:
        return Ruling(mode=None)
    mode = max([default, *(row.mode for row in matching)], key=_STRICTNESS.__getitem__)
    return Ruling(
        mode=mode,
        disclosures=tuple(dict.fromkeys(row.disclosure for row in matching if row.disclosure)),
        rows=tuple(row.id for row in matching),
    )
