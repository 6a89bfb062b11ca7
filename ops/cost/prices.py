"""The dated price table ``ops/prices.toml``, read: what a unit costs, and what an account may do.

The ids are a closed list. A row that this program does not know is refused, and so is a table in
which a row is missing: a bill without one of its prices would look cheaper than it is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chalicelib.core.errors import SegueError
from ops.places import ROOT

PRICES = ROOT / "ops" / "prices.toml"

PRICED: Final = frozenset({
    "apigateway.rest_request",
    "cloudwatch.alarm_month", "cloudwatch.metric_month",
    "dynamodb.read_unit", "dynamodb.recovery_gb_month", "dynamodb.storage_gb_month",
    "dynamodb.stream_read_by_lambda", "dynamodb.write_unit",
    "events.custom", "events.scheduled",
    "kms.request",
    "lambda.ephemeral_gb_second", "lambda.gb_second.arm64", "lambda.gb_second.x86_64",
    "lambda.request",
    "logs.ingested_gb", "logs.stored_gb_month",
    "s3.get", "s3.put", "s3.storage_gb_month",
    "ses.mail",
    "sns.publish",
    "sqs.request",
    "ssm.request",
    "states.transition",
    "transfer.out_gb",
})  # fmt: skip
LIMITED: Final = frozenset({
    "dynamodb.table_read_units", "dynamodb.table_write_units",
    "lambda.concurrency", "lambda.ephemeral_mb", "lambda.timeout_seconds",
    "s3.puts_a_second", "ses.mails_a_day", "states.map_children",
})  # fmt: skip


class PricesRefused(SegueError):
    """The price table cannot be used: which row, and why."""


class Price(BaseModel):
    """One row: dollars for ``per`` units, the page that says so and where it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    service: str
    unit: str
    dollars: float = Field(ge=0, allow_inf_nan=False)
    per: int = Field(gt=0)
    page: str
    url: str
    read_in: str
    secondary: bool


class Quota(BaseModel):
    """One row: the most that a new account may do, and the page that says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    service: str
    unit: str
    most: int = Field(gt=0)
    page: str
    url: str


Row = TypeVar("Row", Price, Quota)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    read_on: date
    price: tuple[Price, ...]
    quota: tuple[Quota, ...]


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Every price and every quota by id.

    Attributes:
        region: where they hold.
        read_on: the day on which they were read.
        prices: ``PRICED``, each.
        quotas: ``LIMITED``, each.
    """

    region: str
    read_on: date
    prices: Mapping[str, Price]
    quotas: Mapping[str, Quota]

    def dollars(self, price_id: str, quantity: float) -> float:
        """What so many units cost; raises PricesRefused for an id that has no price."""
        if price_id not in self.prices:
            raise PricesRefused(f"{price_id} has no price")
        row = self.prices[price_id]
        return quantity * row.dollars / row.per

    @property
    def secondary(self) -> tuple[str, ...]:
        """Ids whose figure was not read on a page of AWS's."""
        return tuple(sorted(name for name, row in self.prices.items() if row.secondary))


def read_prices(path: Path = PRICES) -> PriceTable:
    """Read a table; raises PricesRefused naming what is missing, unknown, double or malformed."""
    try:
        file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise PricesRefused(f"{path.name}: {place}: {first['msg']}") from None
    except (OSError, ValueError) as error:
        raise PricesRefused(f"{path.name}: {error}") from None
    prices = _by_id(path, "price", file.price, PRICED)
    return PriceTable(file.region, file.read_on, prices, _by_id(path, "quota", file.quota, LIMITED))


def _by_id(path: Path, kind: str, rows: tuple[Row, ...], known: frozenset[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows:
        if row.id not in known:
            raise PricesRefused(f"{path.name}: {kind} {row.id} is not one that is asked for")
        if row.id in found:
            raise PricesRefused(f"{path.name}: {kind} {row.id} stands there twice")
        found[row.id] = row
    missing = sorted(known - found.keys())
    if missing:
        raise PricesRefused(f"{path.name}: {kind} {', '.join(missing)} is missing")
    return found
